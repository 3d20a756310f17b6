import { expect, test } from "vitest";
import { between, read } from "../src/console/finding";

test("what is typed is a number, an address, an id, or nothing yet", () => {
  expect(read(" ty2d-h1k8-w98e ")).toEqual({ number: "ty2d-h1k8-w98e" });
  expect(read("TY2DH1K8W98E")).toEqual({ number: "TY2DH1K8W98E" });
  expect(read("ada@example.com")).toEqual({ email: "ada@example.com" });
  expect(read("01890000-0000-7000-8000-000000000001")).toEqual({ id: "01890000-0000-7000-8000-000000000001" });
  expect(read("")).toEqual({});
  for (const unfinished of ["TY2D-H1", "ada@", "ada"]) expect(read(unfinished), unfinished).toBeUndefined();
});

test("days begin and end at midnight of the browser", () => {
  const { createdAfter = "", createdBefore = "" } = between("2026-02-28", "2026-02-28");
  expect(Date.parse(createdBefore) - Date.parse(createdAfter)).toBe(86_400_000);
  expect(new Date(createdAfter).getHours()).toBe(0);
  expect(between("", "nonsense")).toEqual({});
});
