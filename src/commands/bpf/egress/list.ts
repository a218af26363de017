import { egressMap } from "../../../model/small-maps/egress.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(egressMap);
