/** The API's description in Scalar's viewer, which is one file beside the pages. It talks to this shop alone. */

interface Viewer {
  createApiReference(target: string, settings: Record<string, unknown>): unknown;
}
declare global {
  interface Window {
    Scalar: Viewer;
  }
}

const viewer = document.createElement("script");
viewer.src = "/assets/scalar.js";
viewer.addEventListener("load", () => {
  window.Scalar.createApiReference("#app", {
    url: "/openapi.json",
    // What would ask a server of its maker's.
    withDefaultFonts: false,
    telemetry: false,
    hideClientButton: true,
    agent: { disabled: true },
    mcp: { disabled: true },
    showDeveloperTools: "never",
    documentDownloadType: "direct",
    authentication: { preferredSecurityScheme: "bearer" },
    defaultHttpClient: { targetKey: "shell", clientKey: "curl" },
  });
});
document.head.append(viewer);

export {};
