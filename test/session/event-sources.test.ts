import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EventSource, RawEvent } from "../../src/node/events/event-source.js";
import { openEventSource } from "../../src/node/events/open-event-source.js";
import { openUpstreamSocket } from "../../src/node/events/upstream-socket.js";
import { gobSample } from "../support/gob-samples.js";

let folder: string;
let path: string;
let server: Server | undefined;
const stop = new AbortController();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cts-t-events-"));
  path = join(folder, "m.sock");
});
afterEach(async () => {
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/** A socket server that does as the script says with whoever connects. */
async function serve(script: (socket: Socket) => void, socketPath = path): Promise<void> {
  mkdirSync(dirname(socketPath), { recursive: true });
  server = createServer((socket) => {
    socket.on("error", () => {});
    script(socket);
  });
  await new Promise<void>((resolve) => server!.listen(socketPath, resolve));
}

async function readAll({ events }: EventSource): Promise<{ readonly events: RawEvent[]; readonly end: string }> {
  const found: RawEvent[] = [];
  while (true) {
    const step = await events.next();
    if (step.done === true) return { events: found, end: step.value };
    found.push(...step.value);
  }
}

const capture = gobSample("capture");

describe("an upstream agent's monitor socket", () => {
  it("every record, loss and notification, in the order in which they were sent", async () => {
    await serve((socket) => {
      for (let at = 0; at < capture.length; at += 1000) socket.write(capture.subarray(at, at + 1000));
      socket.end();
    });
    const { events, end } = await readAll(await openUpstreamSocket(path, stop.signal));
    expect(end).toBe("the agent closed the connection");
    expect(events).toHaveLength(138 + 3);
    expect(events.filter(({ kind }) => kind === "loss")).toMatchObject([{ cpu: 1, count: 17n }]);
    expect(events.map((event) => (event.kind === "record" ? event.bytes[0] : 0)).slice(10, 12)).toEqual([4, 0]);
  });

  it("payloads of kinds that are not known are handed on as such", async () => {
    const changed = Buffer.from(gobSample("capture"));
    // The type of the loss, the last field of its struct: 2, sent as 4.
    const loss = changed.indexOf(Buffer.from("02020111010400", "hex"));
    changed[loss + 5] = 14;
    await serve((socket) => socket.end(changed));
    const { events } = await readAll(await openUpstreamSocket(path, stop.signal));
    expect(events.filter(({ kind }) => kind === "foreign")).toMatchObject([{ type: 7, cpu: 1 }]);
  });

  it("what came before an agent went away in the middle of a record is there, and the end is an error", async () => {
    await serve((socket) => socket.end(capture.subarray(0, capture.length / 2)));
    const source = await openUpstreamSocket(path, stop.signal);
    const first = await source.events.next();
    expect(first.done).toBe(false);
    await expect(readAll(source)).rejects.toMatchObject({ name: "GobError", code: "gob-cut" });
  });

  it("something else that listens there", async () => {
    await serve((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await expect(readAll(await openUpstreamSocket(path, stop.signal))).rejects.toMatchObject({ name: "GobError" });
  });

  it("who is not there", async () => {
    await expect(openUpstreamSocket(path, stop.signal)).rejects.toMatchObject({
      code: "monitor-socket",
      details: { errno: "ENOENT" },
    });
  });

  it("an abort ends the waiting, and the connection", async () => {
    const closed = new Promise<void>((resolve) => void serve((socket) => socket.on("close", () => resolve())));
    const abort = new AbortController();
    const source = await openUpstreamSocket(path, abort.signal);
    const next = source.events.next();
    abort.abort(new Error("enough"));
    await expect(next).rejects.toMatchObject({ name: "AbortError" });
    await closed;
  });

  it("who has read enough closes the connection", async () => {
    const closed = new Promise<void>((resolve) => {
      void serve((socket) => {
        socket.on("close", () => resolve());
        socket.write(capture);
      });
    });
    const source = await openUpstreamSocket(path, stop.signal);
    await source.events.next();
    source[Symbol.dispose]();
    await closed;
  });
});

describe("who hands on a node's events", () => {
  const place = (): { readonly name: string; readonly bpffs: string; readonly root: string } => {
    return { name: "a", bpffs: join(folder, "bpf"), root: folder };
  };

  const pinDir = (): string => join(folder, "bpf/tc/globals");

  it("an upstream agent, where its socket is below the node's root", async () => {
    const socketPath = join(folder, "var/run/cilium/monitor1_2.sock");
    await serve((socket) => socket.end(capture), socketPath);
    const source = await openEventSource({ place: place(), pinDir: pinDir(), filter: {}, signal: stop.signal });
    expect(source.description).toBe(`the upstream agent on ${socketPath}`);
    await readAll(source);
  });

  it("a /var/run that is a link does not lead out of the node's root", async () => {
    mkdirSync(join(folder, "var"), { recursive: true });
    symlinkSync("/run", join(folder, "var/run"));
    const socketPath = join(folder, "run/cilium/monitor1_2.sock");
    await serve((socket) => socket.end(capture), socketPath);
    const source = await openEventSource({ place: place(), pinDir: pinDir(), filter: {}, signal: stop.signal });
    expect(source.description).toBe(`the upstream agent on ${socketPath}`);
    await readAll(source);
  });

  it("the socket that was named, and no other", async () => {
    await serve((socket) => socket.end(capture), join(folder, "run/cilium/monitor1_2.sock"));
    const named = { place: place(), pinDir: pinDir(), filter: {}, signal: stop.signal, monitorSocket: "/other.sock" };
    await expect(openEventSource(named)).rejects.toMatchObject({ code: "monitor-socket" });
  });

  it("nobody: who was asked, and what to do now", async () => {
    const agentSocket = join(folder, "agent.sock");
    const asked = openEventSource({
      place: { ...place(), agentSocket },
      pinDir: pinDir(),
      filter: {},
      signal: stop.signal,
    });
    await expect(asked).rejects.toMatchObject({
      code: "no-event-source",
      message: expect.stringMatching(/agent\.sock.*ENOENT.*monitor1_2\.sock.*ENOENT.*no event rings of this product/),
      nextSteps: expect.arrayContaining([expect.stringContaining("--monitor-socket")]),
    });
  });
});
