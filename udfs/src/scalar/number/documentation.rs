//! What does the reference say of the functions of numbers?

use std::sync::LazyLock;

use datafusion::logical_expr::{DocSection, Documentation};

const SECTION: DocSection = DocSection {
    include: true,
    label: "Math Functions",
    description: None,
};

/// Name, syntax, what it gives.
const LINES: &[(&str, &str, &str)] = &[
    (
        "abs",
        "abs(x)",
        "A number without its sign; `@ x` is the same.",
    ),
    (
        "ceil",
        "ceil(x)",
        "The nearest whole number that is not less.",
    ),
    (
        "div",
        "div(a, b)",
        "How often b fits whole into a, as numeric.",
    ),
    ("exp", "exp(x)", "e to the power of x."),
    (
        "floor",
        "floor(x)",
        "The nearest whole number that is not greater.",
    ),
    (
        "gcd",
        "gcd(a, b)",
        "The greatest common divisor of two integers.",
    ),
    (
        "lcm",
        "lcm(a, b)",
        "The least common multiple of two integers.",
    ),
    ("ln", "ln(x)", "The natural logarithm."),
    (
        "log",
        "log([base, ]x)",
        "The logarithm to base 10, or to another.",
    ),
    (
        "mod",
        "mod(a, b)",
        "What is left of a / b, with the sign of a; `a % b` is the same.",
    ),
    (
        "power",
        "power(a, b)",
        "a to the power of b; `a ^ b` is the same.",
    ),
    (
        "round",
        "round(x[, places])",
        "The nearest whole number, or the nearest with so many digits after the point. A numeric goes away from zero \
         at a half, a floating point number to the even neighbour.",
    ),
    ("sign", "sign(x)", "-1, 0 or 1."),
    ("sqrt", "sqrt(x)", "The square root; `|/ x` is the same."),
    (
        "trunc",
        "trunc(x[, places])",
        "A number without its digits after the point, or after so many of them.",
    ),
    (
        "width_bucket",
        "width_bucket(x, low, high, count)",
        "The number of the bucket that x falls into, of so many alike between two bounds.",
    ),
];

/// The documentation of a function.
pub fn of(name: &str) -> Option<&'static Documentation> {
    static ALL: LazyLock<Vec<(&str, Documentation)>> = LazyLock::new(|| {
        let documented = |(name, syntax, gives): &(&'static str, &str, &str)| {
            (
                *name,
                Documentation::builder(SECTION, *gives, *syntax).build(),
            )
        };
        LINES.iter().map(documented).collect()
    });
    let found = ALL.iter().find(|(documented, _)| *documented == name)?;
    Some(&found.1)
}
