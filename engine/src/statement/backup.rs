//! How is a data directory copied while it is in use?
//!
//! The copy is of one moment: commits wait while the logs are copied, queries and data files do not. `tarn restore`
//! makes a data directory of it.

use std::path::Path;

use tarn_catalog::backup::backup;

use crate::error::PgError;
use crate::session::notice::Notice;
use crate::session::outcome::Outcome;
use crate::session::{Block, Session};
use crate::sqlstate;

/// BACKUP TO 'folder'
pub async fn run(session: &mut Session, folder: &str) -> Result<Outcome, PgError> {
    if session.block() == Block::Open {
        return Err(PgError::new(
            sqlstate::ACTIVE_SQL_TRANSACTION,
            "BACKUP cannot run inside a transaction block",
        )
        .with_hint("What the transaction changed would not be in the backup."));
    }
    let target = session.files.check(folder)?;
    refuse_own_directory(session, &target)?;
    let list = backup(&session.engine.catalog, &target)
        .await
        .map_err(PgError::from)?;
    let bytes: u64 = list.files.iter().map(|file| file.bytes).sum();
    let mut notice = Notice::info(format!(
        "{} files with {bytes} bytes are in {}",
        list.files.len(),
        target.display()
    ));
    if !list.external_tables.is_empty() {
        notice = Notice {
            detail: Some(format!(
                "Tables outside the data directory are not in it: {}.",
                list.external_tables.join(", ")
            )),
            ..notice
        };
    }
    session.notify(notice);
    Ok(Outcome::Command("BACKUP".to_string()))
}

/// A backup inside of what it copies would grow with each one.
fn refuse_own_directory(session: &Session, target: &Path) -> Result<(), PgError> {
    let own = session.engine.config.data_dir.canonicalize()?;
    let parent = target
        .ancestors()
        .find_map(|known| known.canonicalize().ok());
    if parent.is_some_and(|parent| parent.starts_with(&own)) {
        return Err(PgError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            "a backup cannot lie inside the data directory",
        ));
    }
    Ok(())
}
