//! Which options and parameters does CREATE MODEL take? The page is made of the tables that check them.

use std::fmt::Write;

use crate::automl::options::OPTIONS;
use tarn_udfs::fit::algorithm::{ALGORITHMS, PARAMETERS};

/// What each parameter does, by our name.
const MEANINGS: [(&str, &str); 30] = [
    ("rounds", "Trees, or with early stopping the most of them"),
    ("learning_rate", "Share of each tree that is added"),
    ("max_leaves", "Most leaves of a tree; 0 is no limit"),
    ("max_depth", "Most levels of a tree; 0 is no limit"),
    (
        "growth",
        "`leaf` splits the best leaf next, `depth` a level at a time",
    ),
    ("min_rows", "Fewest rows of a leaf"),
    (
        "min_hessian",
        "Smallest sum of second derivatives in a leaf",
    ),
    ("min_gain", "Smallest gain of a split"),
    ("l1", "Absolute penalty on leaf values"),
    ("l2", "Squared penalty on leaf values"),
    (
        "max_delta_step",
        "Largest leaf value before the learning rate; 0 is no limit",
    ),
    ("max_bins", "Bins of a number"),
    ("min_bin_rows", "Fewest rows of a bin"),
    ("row_fraction", "Share of the rows that a tree sees"),
    ("column_fraction", "Share of the columns that a tree sees"),
    (
        "node_column_fraction",
        "Share of the columns that a split sees",
    ),
    (
        "early_stopping",
        "Rounds without progress on held-out rows after which boosting ends; 0 never",
    ),
    (
        "objective",
        "`squared`, `absolute`, `quantile`, `huber`, `poisson`, `tweedie`, `logistic`, `softmax`",
    ),
    ("quantile", "Which quantile, with `objective = quantile`"),
    (
        "delta",
        "Where the error becomes linear, with `objective = huber`",
    ),
    ("power", "Variance power, with `objective = tweedie`"),
    ("mode", "`boost`, `forest`, `extra_trees`"),
    (
        "one_vs_rest_levels",
        "Categories up to which a split takes one against the rest",
    ),
    (
        "category_smoothing",
        "Rows that pull the statistic of a rare category to the mean",
    ),
    ("seed", "Seed of the fit"),
    ("penalty", "Strength of the penalty on coefficients"),
    ("l1_ratio", "Share of the penalty that is absolute, 0 to 1"),
    ("max_iterations", "Most passes"),
    (
        "tolerance",
        "Change of the coefficients at which a fit ends",
    ),
    ("centre", "`mean` or `median`"),
];

/// The page.
pub fn page() -> String {
    let mut page = String::from(
        "# Options and parameters of CREATE MODEL\n\n## Options\n\nIn `WITH (…)` or `AUTOML (…)`, each once.\n\n\
         | option | accepts | meaning |\n|---|---|---|\n",
    );
    for (name, accepted, meaning) in OPTIONS {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{name}` | {accepted} | {meaning} |");
    }
    let names = ALGORITHMS.map(|name| format!("`{name}`")).join(", ");
    let _ = write!(
        page,
        "\n## Algorithms\n\n{names}. `xgboost`, `lightgbm`, `forest` and `extra_trees` are `trees` with other defaults.\n"
    );
    for (algorithm, parameters) in PARAMETERS {
        let _ = write!(
            page,
            "\n### Parameters of {algorithm}\n\n| parameter | meaning | also written |\n|---|---|---|\n"
        );
        for names in parameters {
            let aliases: Vec<String> = names[1..].iter().map(|name| format!("`{name}`")).collect();
            let _ = writeln!(
                page,
                "| `{}` | {} | {} |",
                names[0],
                meaning(names[0]),
                aliases.join(", ")
            );
        }
    }
    page
}

fn meaning(name: &str) -> &'static str {
    MEANINGS
        .iter()
        .find(|(known, _)| *known == name)
        .map_or("", |(_, meaning)| meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_has_a_meaning() {
        for names in PARAMETERS.iter().flat_map(|(_, parameters)| *parameters) {
            assert_ne!(meaning(names[0]), "", "{}", names[0]);
        }
    }
}
