import { vtepMap } from "../../../model/small-maps/vtep.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(vtepMap);
