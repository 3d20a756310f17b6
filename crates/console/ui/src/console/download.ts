/** Files that a browser keeps. */

/** The cursor of the next page, of a header `Link` (RFC 8288). */
export function nextCursor(link: string | null | undefined): string | undefined {
  const target = /<([^>]*)>; rel="next"/.exec(link ?? "")?.[1];
  return target === undefined ? undefined : (new URL(target, "http://shop").searchParams.get("cursor") ?? undefined);
}

export function save(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
