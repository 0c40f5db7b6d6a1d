/**
 * protovalidate compiles every standard rule of a type of field when it first meets one, some 150 expressions of CEL for the contract, though
 * native code stands in for nearly all of them: a quarter of a second and 18 MB in each process. Here a rule is compiled when it is first
 * evaluated. The library has no option for that, so this reaches into the one version that is pinned; in any other form it stays as it is.
 */

type Compiled = { kind: unknown; rule?: unknown; interpretable?: unknown; error?: unknown };

/** What of the library's class is changed. `compileRule` never throws: what fails is told at the evaluation. */
export type RuleCompiler = { prototype: { compileRule(rule: unknown): Compiled } };

export function compileOnFirstUse({ prototype }: RuleCompiler): void {
  const { compileRule } = prototype;
  prototype.compileRule = function compileRuleOnFirstUse(rule) {
    let kept: Compiled | undefined;
    const compiled = () => {
      kept ??= compileRule.call(this, rule);
      return kept;
    };
    return {
      get kind() {
        return compiled().kind;
      },
      get rule() {
        return compiled().rule;
      },
      get interpretable() {
        return compiled().interpretable;
      },
      get error() {
        return compiled().error;
      },
    };
  };
}

/** The library's own class, or null where it has none of this form. */
export async function libraryCompiler(): Promise<RuleCompiler | null> {
  try {
    const place = new URL('./cel.js', import.meta.resolve('@bufbuild/protovalidate'));
    const { CelManager } = (await import(place.href)) as { CelManager?: Partial<RuleCompiler> };
    return typeof CelManager?.prototype?.compileRule === 'function' ? (CelManager as RuleCompiler) : null;
  } catch {
    return null;
  }
}
