//! How are kernels tested without a GPU? Compiled as plain C with the system's compiler and run as a program per kernel whose
//! threads are the block's threads. With `-fsanitize=thread` among its arguments, the compiler adds a search for missing barriers.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::error::DeviceError;
use super::launch::{Answer, Device, Launch, Launcher};
use super::module::MODULES;

/// Programs that run launches; their files go with it.
pub(crate) struct Emulation {
    /// By kernel, compiled when first asked for.
    programs: Mutex<BTreeMap<&'static str, PathBuf>>,
    /// Threads of a block, whatever the launch asks for.
    threads: u32,
    /// What a launch may take, to play a GPU that is smaller than it said.
    room_bytes: u64,
    /// Launches after which the GPU is lost.
    launches_max: usize,
    launches: AtomicUsize,
}

impl Emulation {
    pub(crate) fn new(threads: u32) -> Self {
        Self {
            programs: Mutex::default(),
            threads,
            room_bytes: u64::MAX,
            launches_max: usize::MAX,
            launches: AtomicUsize::new(0),
        }
    }

    pub(crate) fn with_room(mut self, room_bytes: u64) -> Self {
        self.room_bytes = room_bytes;
        self
    }

    pub(crate) fn lost_after(mut self, launches_max: usize) -> Self {
        self.launches_max = launches_max;
        self
    }

    /// A device with `chip_bytes` of shared memory per block.
    pub(crate) fn device(self, chip_bytes: usize) -> Device {
        Device {
            name: "emulated".to_owned(),
            processors: 100,
            chip_bytes,
            memory_bytes: 1 << 32,
            launcher: Box::new(self),
        }
    }

    fn words(&self, launch: &Launch) -> Vec<u8> {
        let header = [
            u64::from(self.threads),
            launch.chip_bytes as u64 / 8,
            launch.places.len() as u64,
            launch.tasks.len() as u64,
            launch.input.len() as u64,
            launch.scratch_words as u64,
            launch.output_words as u64,
            launch.nodes_max as u64,
        ];
        let words = header.iter().chain(&launch.tasks).chain(&launch.input);
        words.flat_map(|word| word.to_le_bytes()).collect()
    }
}

impl Drop for Emulation {
    fn drop(&mut self) {
        let programs = self.programs.get_mut().expect("no panic while compiling");
        for program in programs.values() {
            let _ = std::fs::remove_file(program);
        }
    }
}

/// Compiles a kernel as a program.
fn compile(kernel: &str) -> PathBuf {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let module = MODULES
        .iter()
        .find(|module| module.kernels.contains(&kernel));
    let source = module.expect("a kernel of a module").source;
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let name = format!("tarn-emulation-{}-{number}", std::process::id());
    let program = std::env::temp_dir().join(name);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let output = Command::new("cc")
        .args(["-std=gnu11", "-O2", "-ffp-contract=off", "-pthread"])
        .args(["-Wall", "-Wextra", "-Wno-unused-function", "-Werror"])
        .arg(format!(
            "-DKERNEL_SOURCE=\"{}\"",
            folder.join(source).display()
        ))
        .arg(format!("-DKERNEL_NAME={kernel}"))
        .arg("-o")
        .args([&program, &folder.join("device/emulation.c")])
        .arg("-lm")
        .output()
        .expect("a C compiler named cc");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    program
}

impl Launcher for Emulation {
    fn launch(&self, launch: &Launch) -> Result<Answer, DeviceError> {
        let device = "emulated".to_owned();
        if launch.bytes() > self.room_bytes {
            let bytes = launch.bytes();
            return Err(DeviceError::Memory { device, bytes });
        }
        if self.launches.fetch_add(1, Ordering::Relaxed) >= self.launches_max {
            let reason = "it fell off the bus".to_owned();
            return Err(DeviceError::Lost { device, reason });
        }
        let program = self
            .programs
            .lock()
            .expect("no panic while compiling")
            .entry(launch.kernel)
            .or_insert_with(|| compile(launch.kernel))
            .clone();
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program that was just built");
        // The program reads all before it writes anything.
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(&self.words(launch)).expect("a reader");
        drop(stdin);
        let mut bytes = Vec::new();
        let mut stdout = child.stdout.take().expect("a pipe");
        stdout.read_to_end(&mut bytes).expect("a writer");
        let status = child.wait().expect("a child");
        assert!(status.success(), "the emulation ended with {status}");
        let words: Vec<u64> = bytes
            .chunks_exact(8)
            .map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")))
            .collect();
        let (output, nodes) = words[1..].split_at(launch.output_words);
        assert_eq!(nodes.len() as u64, 2 * words[0]);
        Ok(Answer {
            output: output.to_vec(),
            nodes: nodes.to_vec(),
            seconds: 0.0,
        })
    }
}
