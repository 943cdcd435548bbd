//! Which SQL does this server speak? Writes the pages of `docs/sql`.
//!
//! A page per statement from [`statements::PAGES`], and a page of functions from what is registered. The
//! committed pages are compared with these in the tests.

mod model_options;
mod statements;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::Documentation;
use tarn_udfs::model::registry::ModelSource;

use crate::error::PgError;
use crate::models::Models;
use statements::PAGES;

/// A statement's page.
#[derive(Debug, Clone, Copy)]
pub struct StatementPage {
    /// Its name, which names the file too.
    pub name: &'static str,
    /// How it is written.
    pub syntax: &'static str,
    /// What it does.
    pub text: &'static str,
}

impl StatementPage {
    fn file_name(&self) -> String {
        format!(
            "{}.md",
            self.name
                .to_lowercase()
                .replace([' ', ','], "-")
                .replace("--", "-")
        )
    }
}

/// Writes every page below a folder.
pub fn write(folder: &Path) -> Result<(), PgError> {
    std::fs::create_dir_all(folder.join("statements"))?;
    let mut index = String::from(
        "# SQL reference\n\nThese pages are written by `tarn docs --out docs/sql`.\n\n## Statements\n\n",
    );
    for page in PAGES {
        let file = page.file_name();
        // Writing to a String cannot fail.
        let _ = writeln!(index, "- [{}](statements/{file})", page.name);
        let text = format!(
            "# {}\n\n```sql\n{}\n```\n\n{}\n",
            page.name, page.syntax, page.text
        );
        std::fs::write(folder.join("statements").join(file), text)?;
    }
    index.push_str("\n## Models\n\n- [options and parameters of CREATE MODEL](model-options.md)\n");
    index.push_str("\n## Functions\n\n- [all functions](functions.md)\n");
    std::fs::write(folder.join("model-options.md"), model_options::page())?;
    std::fs::write(folder.join("README.md"), index)?;
    std::fs::write(folder.join("functions.md"), functions_page())?;
    Ok(())
}

fn functions_page() -> String {
    let models: Arc<dyn ModelSource> = Arc::new(Models::new(PathBuf::new(), 1));
    let state = SessionStateBuilder::new().with_default_features().build();
    let state = crate::context::with_functions(state, &models);
    let mut page = String::from(
        "# Functions\n\nThe functions of `pg_catalog` that clients call are not listed here; they are PostgreSQL's.\n",
    );
    section(&mut page, "Model functions", &model_functions());
    section(&mut page, "Scalar functions", &scalars(&state));
    section(&mut page, "Aggregate functions", &aggregates(&state));
    section(&mut page, "Window functions", &windows(&state));
    page
}

type Entries = BTreeMap<String, (String, String)>;

fn section(page: &mut String, title: &str, entries: &Entries) {
    let _ = write!(
        page,
        "\n## {title}\n\n| function | what it gives |\n|---|---|\n"
    );
    for (syntax, text) in entries.values() {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let first = text
            .split(". ")
            .next()
            .unwrap_or_default()
            .trim_end_matches('.');
        let _ = writeln!(
            page,
            "| `{}` | {}. |",
            syntax.replace('|', "\\|"),
            first.replace('|', "\\|")
        );
    }
}

fn model_functions() -> Entries {
    let entries = [
        (
            "predict('model', row.*)",
            "The predicted label, in the label's type",
        ),
        (
            "predict(model, row.*)",
            "The same by a model that is a value, made by a training function; predict_proba and predict_struct take one too",
        ),
        (
            "predict_proba('model' [, 'class'], row.*)",
            "The probability of the positive class, or of the named class",
        ),
        (
            "predict_struct('model', row.*)",
            "Value, probability, version and which level answered, as one record",
        ),
        ("nextval('sequence')", "The next number of a sequence"),
        (
            "currval('sequence')",
            "The number that this session was given last by the sequence",
        ),
        ("lastval()", "The number that this session was given last"),
        (
            "read_csv('path' [, …], header => true, delimiter => ',')",
            "The rows of CSV files; paths may be globs",
        ),
        ("read_parquet('path' [, …])", "The rows of Parquet files"),
        (
            "read_json('path' [, …])",
            "The rows of files with a JSON object per line",
        ),
        ("read_delta('path')", "The rows of a Delta table"),
    ];
    entries
        .into_iter()
        .map(|(syntax, text)| (syntax.to_string(), (syntax.to_string(), text.to_string())))
        .collect()
}

fn entry(name: &str, documentation: Option<&Documentation>) -> Option<(String, (String, String))> {
    let documentation = documentation?;
    let syntax = documentation.syntax_example.clone();
    Some((
        name.to_string(),
        (syntax, documentation.description.clone()),
    ))
}

fn scalars(state: &SessionState) -> Entries {
    // DataFusion's functions keep their aliases where ours have taken the name.
    let all = state.scalar_functions().iter();
    all.filter(|(registered, f)| registered.as_str() == f.name())
        .filter_map(|(_, f)| entry(f.name(), f.documentation()))
        .collect()
}

fn aggregates(state: &SessionState) -> Entries {
    let all = state.aggregate_functions().values();
    all.filter_map(|f| entry(f.name(), f.documentation()))
        .collect()
}

fn windows(state: &SessionState) -> Entries {
    let all = state.window_functions().values();
    all.filter_map(|f| entry(f.name(), f.documentation()))
        .collect()
}
