import { prefilterMap } from "../../../model/small-maps/prefilter.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(prefilterMap);
