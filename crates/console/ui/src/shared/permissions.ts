/** What roles and API keys permit. */

import type { Permission } from "holdfast-client";

type Of<P> = P extends `${infer Resource}:${string}` ? Resource : never;

/** What may be read or written, and what that means. */
export const RESOURCES: Record<Of<Permission>, string> = {
  products: "Products, those that were taken off sale too",
  stock: "Stock and its journal",
  orders: "Everybody's orders, and what becomes of them",
  payments: "Payments",
  refunds: "Refunds",
  users: "Users and roles",
  events: "Events",
  webhooks: "Webhooks and deliveries",
  drops: "Drops",
  keys: "API keys",
};

type Resource = keyof typeof RESOURCES;

/** All of them. */
export const PERMISSIONS: Permission[] = (Object.keys(RESOURCES) as Resource[]).flatMap((resource): Permission[] => [`${resource}:read`, `${resource}:write`]);

/** How far a set of permissions goes with a resource. */
export function accessOf(permissions: readonly Permission[], resource: Resource): "none" | "read" | "write" {
  if (permissions.includes(`${resource}:write`)) return "write";
  return permissions.includes(`${resource}:read`) ? "read" : "none";
}

/** The same set with another access to a resource. Writing includes reading, so it is not said. */
export function withAccess(permissions: readonly Permission[], resource: Resource, access: string): Permission[] {
  const rest = permissions.filter((permission) => !permission.startsWith(`${resource}:`));
  return access === "none" ? rest : [...rest, `${resource}:${access as "read" | "write"}`];
}

/** In few words: reading is left out where writing is there. */
export function summary(permissions: readonly Permission[]): string {
  if (PERMISSIONS.every((permission) => permissions.includes(permission))) return "everything";
  const said = permissions.filter((permission) => !(permission.endsWith(":read") && permissions.includes(permission.replace(":read", ":write") as Permission)));
  return said.length === 0 ? "nothing" : said.join(", ");
}
