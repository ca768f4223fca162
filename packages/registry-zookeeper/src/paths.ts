/** Why ZooKeeper refuses an absolute path, by its own rules (`PathUtils.validatePath`); undefined when it does not. */
export function pathProblem(path: string): string | undefined {
  if (!path.startsWith("/")) return 'it does not start with "/"';
  if (path === "/") return undefined;
  for (const name of path.slice(1).split("/")) {
    const problem = nodeNameProblem(name);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Why `name` cannot be that of a node; undefined when it can. */
export function nodeNameProblem(name: string): string | undefined {
  if (name === "") return "a node name is empty";
  if (name === "." || name === "..") return `"${name}" is no node name`;
  if (name.includes("/")) return 'a node name contains "/"';
  for (const character of name) {
    const code = character.codePointAt(0) ?? 0;
    const refused =
      code < 0x20 ||
      (code >= 0x7f && code <= 0x9f) ||
      (code >= 0xd800 && code <= 0xf8ff) ||
      (code >= 0xfff0 && code <= 0xffff);
    // Java looks at UTF-16 units, so that everything beyond the basic plane is refused too.
    if (refused || code > 0xffff) return `a node name contains U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  }
  return undefined;
}

/** `/a/b/c` → `/a/b`; of a child of the root "/". */
export function parentOf(path: string): string {
  const at = path.lastIndexOf("/");
  return at <= 0 ? "/" : path.slice(0, at);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

export function join(parent: string, name: string): string {
  return parent === "/" ? `/${name}` : `${parent}/${name}`;
}
