import { encryptMap } from "../../../model/small-maps/encrypt.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(encryptMap);
