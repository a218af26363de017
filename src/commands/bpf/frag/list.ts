import { fragmentMap } from "../../../model/small-maps/fragment.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(fragmentMap);
