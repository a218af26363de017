/** Calls with rubbish, and calls on closed handles, for every subject of misuse-subjects.ts; answers what went wrong. */
import { KernelError } from "../../src/lib/errors.js";
import { type Parameter, rubbish } from "./misuse-parameters.js";
import { freeFunctions, type MisuseSubject, type MisuseWorld, type OpenHandle } from "./misuse-subjects.js";

/** How refusals of rubbish are told apart from the kernel's. */
const refusalCodes: ReadonlySet<string> = new Set(["invalid-argument", "object-not-found"]);

interface Variant {
  readonly label: string;
  readonly value: unknown;
  readonly mustBeRefused: boolean;
}

function variantsOf(parameter: Parameter): readonly Variant[] {
  const whole = Object.entries(rubbish).map(([label, make]) => {
    const value = make();
    return { label, value, mustBeRefused: !parameter.accepts(value) };
  });
  const inFields = Object.entries(parameter.fields ?? {}).flatMap(([name, field]) =>
    variantsOf(field).map(({ label, value, mustBeRefused }) => ({
      label: `${name}: ${label}`,
      value: { ...(parameter.valid() as object), [name]: value },
      mustBeRefused,
    })),
  );
  return [...whole, ...inFields];
}

type Call = (parameters: readonly unknown[]) => unknown;

/** The error of a call, undefined when it returned; what it opened is closed. */
async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    const answer = await call();
    (answer as Partial<OpenHandle> | undefined)?.close?.();
    return undefined;
  } catch (error) {
    return error;
  }
}

async function faultsOfCall(name: string, parameters: readonly Parameter[], call: Call): Promise<readonly string[]> {
  const faults: string[] = [];
  for (const [index, parameter] of parameters.entries()) {
    for (const { label, value, mustBeRefused } of variantsOf(parameter)) {
      const error = await errorOf(() => call(parameters.map((other, at) => (at === index ? value : other.valid()))));
      const isRefused = error instanceof KernelError && refusalCodes.has(error.code);
      const isRight = mustBeRefused ? isRefused : error === undefined || error instanceof KernelError;
      if (!isRight) faults.push(`${name}(#${index} ${label}): ${error ?? "taken"}`);
    }
  }
  return faults;
}

function member(target: object, name: string): Call {
  const found = Reflect.get(target, name, target) as unknown;
  return (parameters) => (typeof found === "function" ? Reflect.apply(found, target, parameters) : found);
}

function staticCall(subject: MisuseSubject, name: string): Call {
  if (name === "new") return (parameters) => Reflect.construct(subject.type as never, parameters);
  const free = freeFunctions[name];
  if (free !== undefined) return (parameters) => Reflect.apply(free, undefined, parameters);
  return member(subject.type, name);
}

/** Every parameter of every method and class method with every kind of rubbish. */
export async function faultsOfRubbish(subject: MisuseSubject, world: MisuseWorld): Promise<readonly string[]> {
  const faults: string[] = [];
  const handle = subject.open(world);
  for (const [name, parameters] of Object.entries(subject.methods)) {
    if (parameters.length > 0) faults.push(...(await faultsOfCall(name, parameters, member(handle, name))));
  }
  handle.close();
  for (const [name, parameters] of Object.entries(subject.statics)) {
    faults.push(...(await faultsOfCall(`${subject.type.name}.${name}`, parameters, staticCall(subject, name))));
  }
  return faults;
}

/** Every method with right parameters on a handle that was closed. */
export async function faultsAfterClose(subject: MisuseSubject, world: MisuseWorld): Promise<readonly string[]> {
  const faults: string[] = [];
  const handle = subject.open(world);
  handle.close();
  handle.close();
  for (const [name, parameters] of Object.entries(subject.methods)) {
    const error = await errorOf(() => member(handle, name)(parameters.map((parameter) => parameter.valid())));
    const isTyped = error instanceof KernelError && error.code === "handle-closed";
    if (!isTyped) faults.push(`${subject.type.name}.${name} after close: ${error ?? "worked"}`);
  }
  return faults;
}

/** Members that everything has, or that are not part of the public interface. */
const known: ReadonlySet<string> = new Set(["constructor", "close", "isOpen", "describe", "use", "length", "name"]);
const internal: ReadonlySet<string> = new Set([...known, "prototype", "adopt", "isMade"]);

/** Public members that the table forgot, and names in it that do not exist. */
export function membersMissing(subject: MisuseSubject): readonly string[] {
  const members = new Set<string>();
  for (let at: object = subject.type.prototype; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    for (const name of Object.getOwnPropertyNames(at)) if (!known.has(name)) members.add(name);
  }
  const told = new Set([...Object.keys(subject.methods), ...(subject.alwaysUsable ?? [])]);
  const statics = Object.getOwnPropertyNames(subject.type).filter((name) => !internal.has(name));
  const toldStatics = Object.keys(subject.statics).filter((name) => name !== "new" && !(name in freeFunctions));
  return [
    ...[...members].filter((name) => !told.has(name)),
    ...[...told].filter((name) => !members.has(name)),
    ...statics.filter((name) => !toldStatics.includes(name)),
    ...toldStatics.filter((name) => !statics.includes(name)),
  ];
}
