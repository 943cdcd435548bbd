//! Can an artefact ever be half, changed or overwritten without anybody noticing?

use std::fs;
use std::io::{Read, Write};
use std::time::SystemTime;

use uuid::Uuid;

use crate::Catalog;
use crate::artefact::{Artefact, ArtefactWriter, discard, open};
use crate::data_dir::DataDir;
use crate::error::CatalogError;
use crate::orphans::ORPHAN_AGE_MIN;
use crate::state::{Model, ModelVersion, Op};
use crate::test_dir::TestDir;

const MODEL: Uuid = Uuid::from_u128(7);

fn write(data_dir: &DataDir, bytes: &[u8]) -> Artefact {
    let mut writer = ArtefactWriter::create(data_dir, MODEL, 1).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn version(artefact: &Artefact) -> ModelVersion {
    ModelVersion {
        number: 1,
        created_at_micros: 0,
        statement: String::new(),
        artefact: artefact.path.clone(),
        sha256: artefact.sha256.clone(),
        bytes: artefact.bytes,
        signature: "{}".to_string(),
        summary: "{}".to_string(),
    }
}

#[test]
fn what_was_written_is_read() {
    let dir = TestDir::new();
    let data_dir = DataDir::open(dir.path()).unwrap();
    let artefact = write(&data_dir, b"abc");
    // The SHA-256 of "abc" as FIPS 180-2 gives it.
    assert_eq!(
        artefact.sha256,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(artefact.bytes, 3);
    let mut text = String::new();
    open(&data_dir, &version(&artefact))
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "abc");
    discard(&data_dir, &artefact).unwrap();
    assert!(matches!(
        open(&data_dir, &version(&artefact)),
        Err(CatalogError::Io { .. })
    ));
}

#[test]
fn a_changed_artefact_is_refused() {
    let dir = TestDir::new();
    let data_dir = DataDir::open(dir.path()).unwrap();
    let artefact = write(&data_dir, b"abc");
    for damage in ["abd", "abcd", "ab", ""] {
        fs::write(data_dir.root().join(&artefact.path), damage).unwrap();
        let error = open(&data_dir, &version(&artefact))
            .map(|_| ())
            .unwrap_err();
        assert!(
            matches!(error, CatalogError::Corrupt { .. }),
            "{damage}: {error}"
        );
    }
    let outside = Artefact {
        path: "../x".to_string(),
        ..artefact
    };
    assert!(matches!(
        open(&data_dir, &version(&outside)),
        Err(CatalogError::Corrupt { .. })
    ));
}

#[test]
fn two_who_write_the_same_version_do_not_meet() {
    let dir = TestDir::new();
    let data_dir = DataDir::open(dir.path()).unwrap();
    let (first, second) = (write(&data_dir, b"first"), write(&data_dir, b"second"));
    assert_ne!(first.path, second.path);
    open(&data_dir, &version(&first)).unwrap();
    open(&data_dir, &version(&second)).unwrap();
}

#[test]
fn an_unfinished_artefact_leaves_nothing() {
    let dir = TestDir::new();
    let data_dir = DataDir::open(dir.path()).unwrap();
    let mut writer = ArtefactWriter::create(&data_dir, MODEL, 1).unwrap();
    writer.write_all(b"half").unwrap();
    drop(writer);
    assert_eq!(
        fs::read_dir(data_dir.models_path().join(MODEL.to_string()))
            .unwrap()
            .count(),
        0
    );
}

/// Dies without running destructors, as after kill -9: the temporary file is there until the next start,
/// which also removes what is old and referred to by nothing, and keeps what is referred to.
#[test]
fn a_start_sweeps_up_after_a_crash() {
    let dir = TestDir::new();
    let catalog = Catalog::open(dir.path()).unwrap();
    let kept = write(catalog.data_dir(), b"kept");
    let (young, old) = (
        write(catalog.data_dir(), b"young"),
        write(catalog.data_dir(), b"old"),
    );
    let mut writer = ArtefactWriter::create(catalog.data_dir(), MODEL, 2).unwrap();
    writer.write_all(b"half").unwrap();
    writer.flush().unwrap();
    std::mem::forget(writer);
    let model = Model {
        oid: catalog.allocate_oid().unwrap(),
        id: MODEL,
        schema: "public".to_string(),
        name: "m".to_string(),
        owner: "tarn".to_string(),
        comment: None,
        versions: vec![version(&kept)],
        aliases: std::collections::BTreeMap::new(),
    };
    catalog
        .commit("tarn", 0, vec![Op::CreateModel { model }])
        .unwrap();
    let path = |artefact: &Artefact| dir.path().join(&artefact.path);
    let long_ago = SystemTime::now() - 2 * ORPHAN_AGE_MIN;
    for artefact in [&kept, &old] {
        fs::File::options()
            .write(true)
            .open(path(artefact))
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
    }
    let files = || fs::read_dir(catalog_models(&dir)).unwrap().count();
    assert_eq!(files(), 4);
    drop(catalog);
    let catalog = Catalog::open(dir.path()).unwrap();
    assert_eq!(files(), 2);
    assert!(path(&kept).exists() && path(&young).exists());
    let model = catalog.state().model_by_id(MODEL).cloned().unwrap();
    open(catalog.data_dir(), &model.versions[0]).unwrap();
}

fn catalog_models(dir: &TestDir) -> std::path::PathBuf {
    dir.path().join("models").join(MODEL.to_string())
}
