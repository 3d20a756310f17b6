import { describe, expect, it } from "vitest";
import { resourceOf } from "../src/console/audit";

const resourceId = "0198f2a3-4b5c-7d6e-8000-00000000002a";

describe("what an entry of the audit log is about", () => {
  const about = (request: string, action: string) => resourceOf({ request, action, resourceId }, "ada");

  it("is found by the request", () => {
    expect(about(`POST /api/orders/${resourceId}/cancel`, "cancel_order")).toEqual({ path: ["orders"], query: { id: resourceId, open: resourceId }, name: "The order" });
    expect(about(`POST /api/payments/${resourceId}/refunds`, "refund_payment")).toEqual({ path: ["payments"], query: { id: resourceId, open: resourceId }, name: "The payment" });
    expect(about("POST /api/products/batch", "write_products")?.query).toEqual({ ids: resourceId, open: resourceId });
    expect(about(`PATCH /api/users/${resourceId}`, "update_user")?.query).toEqual({ q: "ada", open: resourceId });
    expect(about("PATCH /api/roles/packer", "update_role")?.path).toEqual(["roles"]);
  });

  it("is nowhere once it is gone", () => {
    expect(about(`DELETE /api/keys/${resourceId}`, "delete_key")).toBeUndefined();
    expect(about("POST /api/media", "upload_picture")).toBeUndefined();
  });
});
