//! How do table files on a local disk survive a power loss?
//!
//! `object_store`'s `LocalFileSystem` never calls fsync: an acknowledged Delta commit may vanish or, worse, come back as an
//! empty log file that makes the table unreadable. This store writes and syncs the bytes under a temporary name first, gives
//! the file its final name afterwards, and syncs the directory before it answers.

use std::collections::HashSet;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    UploadPart,
};

const STORE: &str = "FsyncStore";

/// The local file system as an object store whose acknowledged writes survive a power loss.
#[derive(Debug)]
pub struct FsyncStore {
    inner: LocalFileSystem,
    durable: Arc<DurableDirectories>,
}

impl FsyncStore {
    /// A store over the whole file system: the path `a/b` is the file `/a/b`.
    pub fn new() -> Self {
        Self {
            inner: LocalFileSystem::new(),
            durable: Arc::new(DurableDirectories::default()),
        }
    }
}

impl Default for FsyncStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for FsyncStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STORE)
    }
}

/// The directories whose own name is known to be on disk already, by path and inode. A directory that this process has synced
/// into its parent once needs no second sync, unless it was removed and made again; the parent of a new file always does.
#[derive(Debug, Default)]
struct DurableDirectories {
    known: Mutex<HashSet<(PathBuf, u64)>>,
}

impl DurableDirectories {
    /// Makes the name of `file` durable: syncs its directory, then every ancestor that this process has not synced yet.
    fn sync_name_of(&self, file: &FilePath) -> std::io::Result<()> {
        let Some(directory) = file.parent() else {
            return Ok(());
        };
        File::open(directory)?.sync_all()?;
        let mut child = directory;
        while let Some(parent) = child.parent() {
            let identity = (child.to_path_buf(), inode(child)?);
            if self.known().contains(&identity) {
                break;
            }
            // An ancestor that this process may not open (another owner's directory) existed before us.
            if let Ok(handle) = File::open(parent) {
                handle.sync_all()?;
            }
            self.known().insert(identity);
            child = parent;
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, HashSet<(PathBuf, u64)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(unix)]
fn inode(path: &FilePath) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    Ok(std::fs::metadata(path)?.ino())
}

#[cfg(not(unix))]
fn inode(_: &FilePath) -> std::io::Result<u64> {
    Ok(0)
}

fn generic(error: impl std::error::Error + Send + Sync + 'static) -> object_store::Error {
    object_store::Error::Generic {
        store: STORE,
        source: Box::new(error),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(generic)?
}

/// Writes `payload` under a name that no listing shows (`name#digits`) and syncs it.
fn write_staged(target: &FilePath, payload: &PutPayload) -> std::io::Result<PathBuf> {
    if let Some(directory) = target.parent() {
        std::fs::create_dir_all(directory)?;
    }
    loop {
        let mut name = target.as_os_str().to_owned();
        name.push(format!("#{}", uuid::Uuid::new_v4().as_u128()));
        let staged = PathBuf::from(name);
        let mut file = match OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&staged)
        {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        };
        let written = payload
            .iter()
            .try_for_each(|bytes| file.write_all(bytes))
            .and_then(|()| file.sync_all());
        if let Err(error) = written {
            drop(file);
            // The error of the write is the one to report; a left-over staged file is invisible.
            let _ = std::fs::remove_file(&staged);
            return Err(error);
        }
        return Ok(staged);
    }
}

fn put_durably(
    target: &FilePath,
    location: &Path,
    payload: &PutPayload,
    create: bool,
    durable: &DurableDirectories,
) -> Result<()> {
    let staged = write_staged(target, payload).map_err(generic)?;
    if create {
        let linked = std::fs::hard_link(&staged, target);
        // The staged name has done its work whether the link succeeded or not.
        let _ = std::fs::remove_file(&staged);
        linked.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => object_store::Error::AlreadyExists {
                path: location.to_string(),
                source: Box::new(error),
            },
            _ => generic(error),
        })?;
    } else {
        std::fs::rename(&staged, target).map_err(generic)?;
    }
    durable.sync_name_of(target).map_err(generic)
}

#[async_trait]
impl ObjectStore for FsyncStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let create = match options.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => {
                return Err(object_store::Error::NotImplemented {
                    operation: "put with an expected version".to_string(),
                    implementer: STORE.to_string(),
                });
            }
        };
        let target = self.inner.path_to_filesystem(location)?;
        let durable = Arc::clone(&self.durable);
        let location_owned = location.clone();
        blocking(move || put_durably(&target, &location_owned, &payload, create, &durable)).await?;
        Ok(PutResult {
            e_tag: None,
            version: None,
        })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(DurableUpload {
            inner: upload,
            target: self.inner.path_to_filesystem(location)?,
            durable: Arc::clone(&self.durable),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(
        &self,
        location: &Path,
        ranges: &[std::ops::Range<u64>],
    ) -> Result<Vec<bytes::Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await?;
        self.sync(to).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await?;
        self.sync(to).await
    }
}

impl FsyncStore {
    async fn sync(&self, location: &Path) -> Result<()> {
        let target = self.inner.path_to_filesystem(location)?;
        let durable = Arc::clone(&self.durable);
        blocking(move || sync_file(&target, &durable)).await
    }
}

fn sync_file(target: &FilePath, durable: &DurableDirectories) -> Result<()> {
    File::open(target)
        .and_then(|file| file.sync_all())
        .and_then(|()| durable.sync_name_of(target))
        .map_err(generic)
}

/// A large file in parts. Nothing refers to it before its commit, so it is enough to sync it when it is complete.
#[derive(Debug)]
struct DurableUpload {
    inner: Box<dyn MultipartUpload>,
    target: PathBuf,
    durable: Arc<DurableDirectories>,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.inner.complete().await?;
        let target = self.target.clone();
        let durable = Arc::clone(&self.durable);
        blocking(move || sync_file(&target, &durable)).await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::ObjectStoreExt as _;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("tarn-{name}-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[tokio::test]
    async fn a_second_create_of_one_name_loses() {
        let directory = scratch("fsync");
        let store = FsyncStore::new();
        let path = Path::from_absolute_path(directory.join("log/0.json")).unwrap();
        let create = PutOptions::from(PutMode::Create);
        store
            .put_opts(&path, "first".into(), create.clone())
            .await
            .unwrap();
        let second = store.put_opts(&path, "second".into(), create).await;
        assert!(matches!(
            second,
            Err(object_store::Error::AlreadyExists { .. })
        ));
        let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
        assert_eq!(&bytes[..], b"first");
        // No staged file is left behind by the winner or the loser.
        assert_eq!(std::fs::read_dir(directory.join("log")).unwrap().count(), 1);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[tokio::test]
    async fn names_with_percent_signs_keep_them() {
        let directory = scratch("fsync");
        let store = FsyncStore::new();
        let root = Path::from_absolute_path(&directory).unwrap();
        let path = Path::parse(format!("{root}/p=a%25b c/x.parquet")).unwrap();
        store.put(&path, "bytes".into()).await.unwrap();
        assert!(directory.join("p=a%25b c/x.parquet").exists());
        let mut upload = store
            .put_multipart(&Path::parse(format!("{root}/q=%2F/y")).unwrap())
            .await
            .unwrap();
        upload.put_part("part".into()).await.unwrap();
        upload.complete().await.unwrap();
        assert!(directory.join("q=%2F/y").exists());
        std::fs::remove_dir_all(directory).unwrap();
    }
}
