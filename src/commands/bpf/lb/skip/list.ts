import { skipMap } from "../../../../model/small-maps/lb-skip.js";
import { smallMapCommand } from "../../../small-map-command.js";

export default smallMapCommand(skipMap);
