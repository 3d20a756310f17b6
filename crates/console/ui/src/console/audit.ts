/** What an entry of the audit log is about, as the console shows it. */

import type { AuditEntry } from "holdfast-client";

export interface Resource {
  /** Of the screen, and what it is asked for. */
  path: string[];
  query: Record<string, string>;
  name: string;
}

/** Where what was changed can be looked at; nothing where there is no screen for it, or where it has no id of its own. Users are found by their names. */
export function resourceOf({ request, resourceId, action }: Pick<AuditEntry, "request" | "resourceId" | "action">, username: string): Resource | undefined {
  const [, kind = ""] = /^\S+ \/api\/([a-z]+)/.exec(request) ?? [];
  if (action.startsWith("delete_")) return undefined;
  switch (kind) {
    case "orders":
      return { path: ["orders"], query: { id: resourceId, open: resourceId }, name: "The order" };
    case "payments":
      return { path: ["payments"], query: { id: resourceId, open: resourceId }, name: "The payment" };
    case "products":
      return { path: ["products"], query: { ids: resourceId, open: resourceId }, name: "The product" };
    case "users":
      // Whoever has no name, or is gone, is not found.
      if (username === resourceId) return undefined;
      return { path: ["users"], query: { q: username, open: resourceId }, name: "The user" };
    case "keys":
      return { path: ["keys"], query: { open: resourceId }, name: "The API key" };
    case "webhooks":
      return { path: ["webhooks"], query: { open: resourceId }, name: "The webhook" };
    case "roles":
      return { path: ["roles"], query: {}, name: "Roles" };
    default:
      return undefined;
  }
}
