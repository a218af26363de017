import { authMap } from "../../../model/small-maps/auth.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(authMap);
