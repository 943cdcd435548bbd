//! How does `FROM read_csv('sales/*.csv')` become a table?
//!
//! `read_csv`, `read_parquet`, `read_json` and `read_delta` take one or more paths or globs. Inferring a
//! schema has to be awaited, so the calls are taken out of the FROM clause before planning and leave a marker
//! name behind. A client on TCP reads only below the files root; one on the Unix socket, whose identity the
//! kernel vouches for, reads what the server may read.

use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use tarn_catalog::syntax_walk::{try_walk_mut, walk};

use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::execution::session_state::SessionState;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Statement, TableAlias,
    TableFactor, Value, ValueWithSpan, Visitor, VisitorMut,
};

use tarn_catalog::Catalog;
use tarn_catalog::state::{Relation, RelationKind, Table};

use super::names::fold;
use crate::error::PgError;
use crate::sqlstate;

/// Rows that decide the types of a CSV or JSON file.
const INFERENCE_ROWS: usize = 200_000;

/// What a call reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// read_csv
    Csv,
    /// read_parquet
    Parquet,
    /// read_json: one object per line
    Json,
    /// read_delta
    Delta,
}

/// One call that was taken out of a FROM clause.
#[derive(Debug, Clone)]
pub struct FileCall {
    /// The name that stands in its place.
    pub marker: String,
    /// What it reads.
    pub kind: FileKind,
    /// Paths or globs.
    pub paths: Vec<String>,
    /// Options given with `=>`.
    pub options: Vec<(String, String)>,
}

/// Which files one session may touch.
#[derive(Clone)]
pub struct FileAccess {
    /// Files lie below this folder; None for a session that may touch any.
    pub root: Option<PathBuf>,
    /// Opens Delta tables.
    pub catalog: Catalog,
}

/// A relation that stands for a Delta table without a name.
fn foreign_relation(path: &Path) -> Relation {
    Relation {
        oid: 0,
        id: uuid::Uuid::new_v4(),
        schema: String::new(),
        name: path.display().to_string(),
        owner: String::new(),
        comment: None,
        kind: RelationKind::Table(Table {
            location: path.to_string_lossy().into_owned(),
            managed: false,
            ..Table::default()
        }),
    }
}

/// Does a FROM clause call this function?
pub fn calls(statement: &Statement, function: &str) -> bool {
    struct Finder<'a>(&'a str);
    impl Visitor for Finder<'_> {
        type Break = ();

        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            match factor {
                TableFactor::Table {
                    name,
                    args: Some(_),
                    ..
                } if matches!(name.0.as_slice(), [ObjectNamePart::Identifier(ident)] if fold(ident) == self.0) => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    walk(statement, &mut Finder(function)).is_break()
}

/// Takes the calls out of a statement and leaves marker names.
pub fn take_calls(statement: &mut Statement) -> Result<Vec<FileCall>, PgError> {
    let mut taker = Taker { calls: Vec::new() };
    try_walk_mut(statement, &mut taker)?;
    Ok(taker.calls)
}

struct Taker {
    calls: Vec<FileCall>,
}

impl VisitorMut for Taker {
    type Break = Box<PgError>;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        match self.take(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

impl Taker {
    fn take(&mut self, factor: &mut TableFactor) -> Result<(), PgError> {
        let TableFactor::Table {
            name, alias, args, ..
        } = factor
        else {
            return Ok(());
        };
        let Some(arguments) = args else { return Ok(()) };
        let [ObjectNamePart::Identifier(function)] = name.0.as_slice() else {
            return Ok(());
        };
        let function = fold(function);
        let kind = match function.as_str() {
            "read_csv" => FileKind::Csv,
            "read_parquet" => FileKind::Parquet,
            "read_json" => FileKind::Json,
            "read_delta" => FileKind::Delta,
            _ => return Ok(()),
        };
        let (paths, options) = read_arguments(&function, &arguments.args)?;
        let marker = format!("{function}\u{1f}f\u{1f}{}", self.calls.len());
        if alias.is_none() {
            *alias = Some(TableAlias {
                explicit: true,
                name: Ident::new(function),
                columns: Vec::new(),
                at: None,
            });
        }
        *name = ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote(
            '"',
            marker.clone(),
        ))]);
        *args = None;
        self.calls.push(FileCall {
            marker,
            kind,
            paths,
            options,
        });
        Ok(())
    }
}

type PathsAndOptions = (Vec<String>, Vec<(String, String)>);

fn read_arguments(function: &str, arguments: &[FunctionArg]) -> Result<PathsAndOptions, PgError> {
    let mut paths = Vec::new();
    let mut options = Vec::new();
    for argument in arguments {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => paths.push(constant(expr)?),
            FunctionArg::Named {
                name,
                arg: FunctionArgExpr::Expr(expr),
                ..
            }
            | FunctionArg::ExprNamed {
                name: Expr::Identifier(name),
                arg: FunctionArgExpr::Expr(expr),
                ..
            } => options.push((fold(name), constant(expr)?)),
            other => {
                return Err(PgError::syntax(format!(
                    "{function} does not take \"{other}\""
                )));
            }
        }
    }
    if paths.is_empty() {
        return Err(PgError::syntax(format!("{function} needs a path"))
            .with_hint(format!("Write FROM {function}('folder/file').")));
    }
    Ok((paths, options))
}

fn constant(expr: &Expr) -> Result<String, PgError> {
    match expr {
        Expr::Value(ValueWithSpan { value, .. }) => match value {
            Value::SingleQuotedString(text) => Ok(text.clone()),
            Value::Boolean(truth) => Ok(truth.to_string()),
            Value::Number(number, _) => Ok(number.to_string()),
            _ => Err(PgError::syntax(format!("\"{expr}\" is not a constant"))),
        },
        _ => Err(PgError::syntax(format!("\"{expr}\" is not a constant"))),
    }
}

impl FileAccess {
    /// The absolute path of `path` if this session may touch it.
    pub fn check(&self, path: &str) -> Result<PathBuf, PgError> {
        let Some(root) = &self.root else {
            return std::path::absolute(path).map_err(PgError::from);
        };
        let refused = || {
            PgError::new(
                sqlstate::INSUFFICIENT_PRIVILEGE,
                format!("permission denied for file \"{path}\""),
            )
            .with_detail(format!("Files over TCP lie below {}.", root.display()))
            .with_hint(
                "Start the server with --files-root, connect by the Unix socket, or use psql's \\copy.",
            )
        };
        let root = root.canonicalize().map_err(|_| refused())?;
        let relative = Path::new(path);
        if relative
            .components()
            .any(|part| part == Component::ParentDir)
        {
            return Err(refused());
        }
        let joined = root.join(relative);
        // The part without a glob must exist before a link in it can lead elsewhere.
        let solid: PathBuf = joined
            .components()
            .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']))
            .collect();
        let real = match solid.canonicalize() {
            Ok(real) => real,
            Err(_) => match solid.parent().map(Path::canonicalize) {
                Some(Ok(parent)) => parent.join(solid.file_name().unwrap_or_default()),
                _ => return Err(missing_file(path)),
            },
        };
        if real.starts_with(&root) {
            Ok(joined)
        } else {
            Err(refused())
        }
    }

    /// The table behind a call.
    pub async fn open(
        &self,
        call: &FileCall,
        state: &SessionState,
    ) -> Result<Arc<dyn TableProvider>, PgError> {
        if call.kind == FileKind::Delta {
            return self.open_delta(call).await;
        }
        let (format, extension) = format_of(call)?;
        let mut urls = Vec::new();
        for path in &call.paths {
            let checked = self.check(path)?;
            let is_glob = path.contains(['*', '?', '[']);
            if !is_glob && !checked.exists() {
                return Err(missing_file(path));
            }
            urls.push(ListingTableUrl::parse(checked.to_string_lossy())?);
        }
        let options = ListingOptions::new(format).with_file_extension(extension);
        let config = ListingTableConfig::new_with_multi_paths(urls)
            .with_listing_options(options)
            .infer_schema(state)
            .await?;
        let is_empty = config
            .file_schema
            .as_ref()
            .is_none_or(|schema| schema.fields().is_empty());
        if is_empty {
            return Err(missing_file(&call.paths.join(", ")));
        }
        Ok(Arc::new(ListingTable::try_new(config)?))
    }

    async fn open_delta(&self, call: &FileCall) -> Result<Arc<dyn TableProvider>, PgError> {
        let [path] = call.paths.as_slice() else {
            return Err(PgError::syntax("read_delta takes one path"));
        };
        let checked = self.check(path)?;
        if !checked.join("_delta_log").is_dir() {
            return Err(PgError::new(
                sqlstate::UNDEFINED_FILE,
                format!("\"{path}\" is not a Delta table"),
            )
            .with_detail("It has no folder _delta_log."));
        }
        let relation = foreign_relation(&checked);
        let snapshot = self.catalog.begin().snapshot(&relation).await?;
        Ok(snapshot.provider())
    }
}

fn missing_file(path: &str) -> PgError {
    PgError::new(
        sqlstate::UNDEFINED_FILE,
        format!("could not find a file for \"{path}\""),
    )
}

fn format_of(call: &FileCall) -> Result<(Arc<dyn FileFormat>, &'static str), PgError> {
    let refuse = |name: &str| {
        PgError::new(
            sqlstate::UNDEFINED_OBJECT,
            format!("unknown option \"{name}\" of a file function"),
        )
        .with_hint("read_csv takes header, delimiter and quote.")
    };
    match call.kind {
        FileKind::Csv => {
            let mut format = CsvFormat::default()
                .with_has_header(true)
                .with_schema_infer_max_rec(INFERENCE_ROWS);
            for (name, value) in &call.options {
                format = match name.as_str() {
                    "header" => format.with_has_header(value == "true"),
                    "delimiter" | "delim" | "sep" => format.with_delimiter(one_byte(name, value)?),
                    "quote" => format.with_quote(one_byte(name, value)?),
                    _ => return Err(refuse(name)),
                };
            }
            Ok((Arc::new(format), ""))
        }
        _ if !call.options.is_empty() => Err(refuse(&call.options[0].0)),
        FileKind::Json => Ok((Arc::new(JsonFormat::default()), "")),
        _ => Ok((Arc::new(ParquetFormat::default()), "")),
    }
}

fn one_byte(name: &str, value: &str) -> Result<u8, PgError> {
    match value.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(PgError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("option {name} takes a single one-byte character"),
        )),
    }
}
