import { neighbourMap } from "../../../model/small-maps/neighbour.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(neighbourMap);
