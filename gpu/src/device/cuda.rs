//! How is an NVIDIA GPU found and used? Through its driver's library, which is loaded when there is one: nothing of CUDA is
//! needed to build, and nothing is linked. Kernels travel as the text that the driver compiles (`*.ptx`, written by
//! `gpu/ptx.py`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys::{self, CUresult};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaStream, DriverError, LaunchConfig, PushKernelArg,
};
use cudarc::nvrtc::Ptx;

use super::error::DeviceError;
use super::launch::{Answer, Device, Launch, Launcher, RESERVED_CHIP_BYTES};
use super::module::{MODULES, Module};

/// Share of the free memory that fits may take; other programs use the GPU as well.
const MEMORY_SHARE: f64 = 0.8;

/// The first GPU; `None` where there is no GPU or no driver. The driver compiles the kernels, which takes a second or two
/// the first time, so ask once and keep the answer.
///
/// # Errors
/// [`DeviceError::Driver`] when there is a GPU that does not work.
pub fn detect() -> Result<Option<Device>, DeviceError> {
    // SAFETY: this loads the driver's library by its name, as every program that uses CUDA does.
    if !unsafe { sys::is_culib_present() } {
        return Ok(None);
    }
    match CudaContext::device_count() {
        Ok(0) | Err(DriverError(CUresult::CUDA_ERROR_NO_DEVICE)) => return Ok(None),
        Ok(_) => {}
        Err(error) => return Err(broken(error)),
    }
    open().map(Some)
}

fn broken(error: DriverError) -> DeviceError {
    DeviceError::Driver {
        reason: words(error),
    }
}

fn words(error: DriverError) -> String {
    let text = error.error_string();
    text.map_or_else(
        |_| format!("{:?}", error.0),
        |text| text.to_string_lossy().into_owned(),
    )
}

fn open() -> Result<Device, DeviceError> {
    let context = CudaContext::new(0).map_err(broken)?;
    let facts = facts(&context).map_err(broken)?;
    let mut kernels = BTreeMap::new();
    for module in MODULES {
        load(&context, module, facts.chip, &mut kernels).map_err(|error| {
            let reason = format!("{}: {}", module.source, words(error));
            DeviceError::Driver { reason }
        })?;
    }
    let launcher = Cuda {
        name: facts.name.clone(),
        stream: context.default_stream(),
        kernels,
        turn: Mutex::new(()),
    };
    Ok(Device {
        name: facts.name,
        processors: u32::try_from(facts.processors).unwrap_or(1),
        chip_bytes: usize::try_from(facts.chip).unwrap_or(0),
        memory_bytes: (facts.free as f64 * MEMORY_SHARE) as u64,
        launcher: Box::new(launcher),
    })
}

/// What a GPU says of itself.
struct Facts {
    name: String,
    processors: i32,
    /// Shared memory that a block may take, in bytes.
    chip: i32,
    /// Free memory, in bytes.
    free: usize,
}

fn facts(context: &CudaContext) -> Result<Facts, DriverError> {
    use sys::CUdevice_attribute_enum as Attribute;
    Ok(Facts {
        name: context.name()?,
        processors: context.attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        chip: context
            .attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
        free: context.mem_get_info()?.0,
    })
}

/// Has the driver compile a module's kernels, which may then take all of a block's shared memory.
fn load(
    context: &Arc<CudaContext>,
    module: &Module,
    chip_bytes: i32,
    kernels: &mut BTreeMap<&'static str, CudaFunction>,
) -> Result<(), DriverError> {
    use sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
    let compiled = context.load_module(Ptx::from_src(module.ptx))?;
    for &name in module.kernels {
        let kernel = compiled.load_function(name)?;
        let dynamic = chip_bytes - RESERVED_CHIP_BYTES as i32;
        kernel.set_attribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, dynamic)?;
        kernels.insert(name, kernel);
    }
    Ok(())
}

/// A GPU with its kernels loaded.
struct Cuda {
    name: String,
    stream: Arc<CudaStream>,
    kernels: BTreeMap<&'static str, CudaFunction>,
    /// One launch at a time, so that each may count on the memory.
    turn: Mutex<()>,
}

impl Launcher for Cuda {
    fn launch(&self, launch: &Launch) -> Result<Answer, DeviceError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.run(launch).map_err(|error| match error {
            DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY) => DeviceError::Memory {
                device: self.name.clone(),
                bytes: launch.bytes(),
            },
            error => DeviceError::Lost {
                device: self.name.clone(),
                reason: words(error),
            },
        })
    }
}

impl Cuda {
    fn run(&self, launch: &Launch) -> Result<Answer, DriverError> {
        let stream = &self.stream;
        let kernel = self.kernels.get(launch.kernel);
        let kernel = kernel.ok_or(DriverError(CUresult::CUDA_ERROR_NOT_FOUND))?;
        let tasks = stream.clone_htod(&launch.tasks)?;
        let input = stream.clone_htod(&launch.input)?;
        let mut scratch = stream.alloc_zeros::<u64>(launch.scratch_words.max(1))?;
        let mut output = stream.alloc_zeros::<u64>(launch.output_words)?;
        let mut nodes = stream.alloc_zeros::<u64>((2 * launch.nodes_max).max(1))?;
        let mut nodes_used = stream.alloc_zeros::<u64>(1)?;
        let nodes_max = launch.nodes_max as u64;
        let shape = LaunchConfig {
            grid_dim: (launch.places.len() as u32, 1, 1),
            block_dim: (launch.threads, 1, 1),
            shared_mem_bytes: launch.chip_bytes as u32,
        };
        let mut call = stream.launch_builder(kernel);
        call.arg(&tasks)
            .arg(&input)
            .arg(&mut scratch)
            .arg(&mut output)
            .arg(&mut nodes)
            .arg(&mut nodes_used)
            .arg(&nodes_max)
            .record_kernel_launch(sys::CUevent_flags_enum::CU_EVENT_DEFAULT);
        // SAFETY: the arguments are those that every kernel of `MODULES` takes, in their order; a kernel stays inside the
        // words that `DeviceFit::write` has set aside for each fit, which the emulation checks.
        let events = unsafe { call.launch(shape) }?;
        let used = stream.clone_dtoh(&nodes_used)?[0].min(nodes_max) as usize;
        let output = stream.clone_dtoh(&output)?;
        let nodes = match used {
            0 => Vec::new(),
            used => stream.clone_dtoh(&nodes.slice(..2 * used))?,
        };
        stream.synchronize()?;
        let seconds = match events {
            Some((start, end)) => f64::from(start.elapsed_ms(&end)?) * 1e-3,
            None => 0.0,
        };
        Ok(Answer {
            output,
            nodes,
            seconds,
        })
    }
}
