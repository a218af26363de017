import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { newestOf } from "../../abi/release.js";
import { NotFoundError, SystemError, UsageError } from "../../lib/errors.js";
import type { TemplateLineRow, TemplateRequest, TemplateRow } from "../../model/node-files.js";
import type { RowStream } from "../../model/readers.js";
import type { NodeContext } from "../node-context.js";
import { upstreamRunFolder } from "../upstream-agent.js";

/** Of `pkg/defaults` of upstream: the id of the template that an endpoint uses, and up to 1.15 a link to its object. */
const templateFiles = { id: "template.txt", object: "template.o" } as const;
/** `common.CHeaderFileName` of upstream. */
const headerFile = "ep_config.h";
/** Many times what a header has. */
const longestFileBytes = 1 << 20;

/**
 * The templates that upstream's agent has compiled, with the endpoints that use them, and endpoints that use none.
 * @throws NotFoundError `templates-missing`, SystemError `state-unreadable`
 */
export async function* readTemplates(context: NodeContext): RowStream<TemplateRow> {
  const state = stateFolder(context);
  const release = newestOf(context.release().candidates);
  const head = { node: context.place.name, release };
  const shas = namesIn(context, join(state, "templates")).sort();
  const uses = namesIn(context, state)
    .filter((name) => /^\d+$/.test(name))
    .sort()
    .map((endpoint) => ({ endpoint, ...templateOf(join(state, endpoint), new Set(shas)) }));
  const endpointsOf = (isUser: (use: TemplateUse) => boolean) => uses.filter(isUser).map(({ endpoint }) => endpoint);
  const rows: readonly TemplateRow[] = [
    ...shas.map((sha) => ({ ...head, sha, endpoints: endpointsOf((use) => use.sha === sha) })),
    ...(["missing", "invalid"] as const).map((problem) => ({
      ...head,
      problem,
      endpoints: endpointsOf((use) => use.problem === problem),
    })),
  ].filter((row) => !("problem" in row) || row.endpoints.length > 0);
  if (rows.length > 0) yield rows;
  return { state: "complete", rowsRead: rows.length, restarts: 0, mapsRead: 0 };
}

/** The header that a template was compiled with. @throws NotFoundError `template-missing`, UsageError `bad-sha` */
export async function* readTemplateHeader(context: NodeContext, { sha }: TemplateRequest): RowStream<TemplateLineRow> {
  if (!/^\w[\w.-]*$/.test(sha)) throw new UsageError("bad-sha", `"${sha}" is no name of a template`);
  const path = join(stateFolder(context), "templates", sha, headerFile);
  const text = readShortFile(path);
  if (text === undefined) {
    throw new NotFoundError("template-missing", `node ${context.place.name} has no template ${sha}`, {
      nextSteps: ["kubectl cilium-ts bpf sha list   (the templates there are)"],
      details: { path },
    });
  }
  const lines = text.replace(/\n$/, "").split("\n");
  yield lines.map((line, index) => ({ node: context.place.name, sha, line: index + 1, text: line }));
  return { state: "complete", rowsRead: lines.length, restarts: 0, mapsRead: 0 };
}

type TemplateUse = Pick<TemplateRow, "sha" | "problem"> & { readonly endpoint: string };

/** Which of the templates an endpoint's folder names. */
function templateOf(folder: string, shas: ReadonlySet<string>): Pick<TemplateRow, "sha" | "problem"> {
  const sha =
    readShortFile(join(folder, templateFiles.id))?.trim() ?? linkedTemplate(join(folder, templateFiles.object));
  if (sha === undefined) return { problem: "missing" };
  return shas.has(sha) ? { sha } : { problem: "invalid" };
}

/** The folder of the object that the link leads to; empty when it is no link. */
function linkedTemplate(path: string): string | undefined {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return undefined;
  return status.isSymbolicLink() ? basename(dirname(readlinkSync(path))) : "";
}

function readShortFile(path: string): string | undefined {
  const status = lstatSync(path, { throwIfNoEntry: false });
  return status?.isFile() === true && status.size <= longestFileBytes ? readFileSync(path, "utf8") : undefined;
}

function stateFolder({ place }: NodeContext): string {
  const folder = join(upstreamRunFolder(place.root), "state");
  if (existsSync(join(folder, "templates"))) return folder;
  throw new NotFoundError("templates-missing", `node ${place.name} has no templates in ${folder}`, {
    hint: "Upstream's agent keeps them there when it compiles programs for endpoints.",
    details: { folder },
  });
}

function namesIn({ place }: NodeContext, folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new SystemError("state-unreadable", `reading ${folder} on node ${place.name} failed: ${message}`, {
      ...(code === "EACCES" || code === "EPERM" ? { nextSteps: ["run the command as root"] } : {}),
      cause: error,
    });
  }
}
