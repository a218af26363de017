import { describe, expect, it } from "vitest";
import { evaluateTemplate } from "../../src/output/jsonpath-evaluate.js";
import { parseJsonPath } from "../../src/output/jsonpath-parse.js";

const document = {
  kind: "List",
  items: [
    { name: "a", port: 80, labels: { "app.kubernetes.io/name": "x" }, tags: ["t1", "t2", "t3"] },
    { name: "b", port: 443, ready: true, tags: [] },
    { name: "c", port: 53 },
  ],
};

const evaluate = (template: string): string => evaluateTemplate(parseJsonPath(template), document);

describe("kubectl's jsonpath", () => {
  it.each([
    ["{.kind}", "List"],
    ["{$.kind}", "List"],
    [".kind", "List"],
    ["{.items[*].name}", "a b c"],
    ["{.items[0].name}", "a"],
    ["{.items[-1].name}", "c"],
    ["{.items[0,2].name}", "a c"],
    ["{.items[0:2].name}", "a b"],
    ["{.items[::2].name}", "a c"],
    ["{.items[0].tags[1:]}", "t2 t3"],
    ["{.items[0]['name','port']}", "a 80"],
    ["{.items[0].labels['app.kubernetes.io/name']}", "x"],
    ["{.items[0].labels.app\\.kubernetes\\.io/name}", "x"],
    ["{.items[?(@.port==443)].name}", "b"],
    ['{.items[?(@.name=="c")].port}', "53"],
    ["{.items[?(@.port>60)].name}", "a b"],
    ["{.items[?(@.port<=80)].name}", "a c"],
    ["{.items[?(@.port!=80)].name}", "b c"],
    ["{.items[?(@.ready)].name}", "b"],
    ["{.items[?(@.ready==true)].name}", "b"],
    ["{..name}", "a b c"],
    ["{.items[*].tags[*]}", "t1 t2 t3"],
    ["{.missing}", ""],
    ["{.items[0].tags}", '["t1","t2","t3"]'],
    ["n={.items[1].port} end", "n=443 end"],
    ['{range .items[*]}{.name}{"\\t"}{.port}{"\\n"}{end}', "a\t80\nb\t443\nc\t53\n"],
    ["{range .items[*]}{.name}:{range .tags[*]}<{@}>{end};{end}", "a:<t1><t2><t3>;b:;c:;"],
    ["{range .items[*]}{.name} {$.kind} {end}", "a List b List c List "],
    ['{.items[0].name "-" .kind}', "a-List"],
  ])("%s", (template, expected) => {
    expect(evaluate(template)).toBe(expected);
  });

  it.each([
    ["{.items[*}", /"\]" expected at character 10/],
    ["{.items", /"}" expected, but the text ends/],
    ["{.items[?(@.a==)]}", /a path starts with a dot/],
    ["{.items[?(@.a==1]}", /"\)" expected/],
    ["{range .items[*]}{.name}", /\{range\} without \{end\}/],
    ["{.a}{end}", /\{end\} without \{range\}/],
    ['{"text}', /the quoted text has no end/],
    ["{items}", /a path starts with a dot/],
    ["{.items[a]}", /a number, a quoted name/],
    ["{.items[0:2:0]}", /a slice steps by 1 or more/],
    ["", /the template is empty/],
    ["{}", /a path starts with a dot/],
  ])("refuses %s", (template, message) => {
    expect(() => parseJsonPath(template)).toThrow(message);
    expect(() => parseJsonPath(template)).toThrow(expect.objectContaining({ code: "jsonpath-syntax", exitCode: 2 }));
  });
});
