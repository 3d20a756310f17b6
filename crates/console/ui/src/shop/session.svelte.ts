/** Who is signed in to the shop. */

import { Signed } from "../shared/session.svelte";

export const signed = new Signed("holdfast-shop-refresh-token");
