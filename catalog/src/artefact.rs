//! Where are the bytes of a model version, and are they the ones that were written?
//!
//! An artefact is one immutable file, `models/<model id>/<version>-<random>.model`. It is written under a
//! temporary name, synced, and renamed, so a file with its final name is whole. Names are never reused:
//! when two sessions race for the same version number, neither can overwrite the other's file. The
//! catalog keeps the SHA-256 and decodes nothing.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::data_dir::{DataDir, create_private_dir, sync_dir};
use crate::error::CatalogError;
use crate::state::ModelVersion;

/// The ending of files that are being written; the sweep at start removes them.
pub(crate) const TEMPORARY_EXTENSION: &str = "tmp";

/// A finished artefact: what a [`ModelVersion`] says about its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    /// The file, relative to the data directory, with `/` between parts.
    pub path: String,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Length of the file in bytes.
    pub bytes: u64,
}

/// An artefact that is being written. Dropping it unfinished removes what was written.
#[derive(Debug)]
pub struct ArtefactWriter {
    /// `None` once the file is closed.
    file: Option<BufWriter<File>>,
    temporary_path: PathBuf,
    final_path: PathBuf,
    path: String,
    digest: Sha256,
    bytes: u64,
}

impl ArtefactWriter {
    /// Starts the artefact of a version of a model; nothing is visible before [`ArtefactWriter::finish`].
    pub fn create(
        data_dir: &DataDir,
        model: Uuid,
        version: u32,
    ) -> Result<ArtefactWriter, CatalogError> {
        let dir = data_dir.models_path().join(model.to_string());
        if !dir.exists() {
            create_private_dir(&dir)?;
            sync_dir(&data_dir.models_path())?;
        }
        let suffix = &Uuid::new_v4().simple().to_string()[..8];
        let name = format!("{version}-{suffix}.model");
        let final_path = dir.join(&name);
        let temporary_path = final_path.with_extension(TEMPORARY_EXTENSION);
        let file = File::create_new(&temporary_path)
            .map_err(CatalogError::io("create", &temporary_path))?;
        Ok(ArtefactWriter {
            file: Some(BufWriter::with_capacity(1 << 20, file)),
            temporary_path,
            final_path,
            path: format!("models/{model}/{name}"),
            digest: Sha256::new(),
            bytes: 0,
        })
    }

    /// Makes the file durable under its final name.
    pub fn finish(mut self) -> Result<Artefact, CatalogError> {
        let path = self.temporary_path.clone();
        if let Some(writer) = self.file.take() {
            let file = writer
                .into_inner()
                .map_err(|error| CatalogError::io("write", &path)(error.into_error()))?;
            file.sync_all().map_err(CatalogError::io("sync", &path))?;
        }
        fs::rename(&path, &self.final_path).map_err(CatalogError::io("rename", &path))?;
        self.final_path.parent().map_or(Ok(()), sync_dir)?;
        let sha256 = hexadecimal(&self.digest.finalize_reset());
        Ok(Artefact {
            path: self.path.clone(),
            sha256,
            bytes: self.bytes,
        })
    }
}

impl Write for ArtefactWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let file = self
            .file
            .as_mut()
            .ok_or_else(|| io::Error::other("the artefact is finished"))?;
        let written = file.write(buffer)?;
        self.digest.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.flush())
    }
}

impl Drop for ArtefactWriter {
    fn drop(&mut self) {
        // After a rename there is nothing to remove; after a failure the sweep at start would do it too.
        let _ = fs::remove_file(&self.temporary_path);
    }
}

/// Opens the artefact of a version after reading it once to see that length and SHA-256 are right. The
/// file is at its start. `Corrupt` when it is not what was written.
pub fn open(data_dir: &DataDir, version: &ModelVersion) -> Result<File, CatalogError> {
    let path = data_dir.resolve(&version.artefact)?;
    let mut file = File::open(&path).map_err(CatalogError::io("open", &path))?;
    let (sha256, bytes) = measure(&mut file, &path)?;
    if bytes != version.bytes || sha256 != version.sha256 {
        let detail = format!(
            "it has {bytes} bytes with SHA-256 {sha256}, not {} with {}",
            version.bytes, version.sha256
        );
        return Err(CatalogError::Corrupt {
            what: path.display().to_string(),
            detail,
        });
    }
    file.rewind().map_err(CatalogError::io("seek", &path))?;
    Ok(file)
}

/// Removes a finished artefact whose version did not make it into the catalog.
pub fn discard(data_dir: &DataDir, artefact: &Artefact) -> Result<(), CatalogError> {
    let path = data_dir.resolve(&artefact.path)?;
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(CatalogError::io("remove", &path)(error))
        }
        _ => Ok(()),
    }
}

/// SHA-256 and length of what is left to read.
pub(crate) fn measure(reader: &mut impl Read, path: &Path) -> Result<(String, u64), CatalogError> {
    let mut digest = Sha256::new();
    let bytes = io::copy(reader, &mut digest).map_err(CatalogError::io("read", path))?;
    Ok((hexadecimal(&digest.finalize()), bytes))
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
