import { configureGlobal } from "fast-check";

/** `npm test` repeats the same samples every time; `npm run test:long` and CTS_PROPERTY_SEED choose others. */
const seed = process.env.CTS_PROPERTY_SEED;
configureGlobal({ seed: seed === undefined ? 20_261_121 : Number(seed) });
