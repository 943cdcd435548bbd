//! Which vector instructions does this machine have? Asked once; the inner loops exist once per answer.
//!
//! Every variant is the same Rust compiled for another instruction set: without fused multiply-add or reassociation, so
//! all give the same bits. On Arm, NEON is part of the baseline.

use std::sync::OnceLock;

/// An instruction set that the inner loops are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instructions {
    /// What the target always has: SSE2 on x86-64, NEON on Arm.
    Baseline,
    /// AVX2.
    Avx2,
    /// AVX-512 F, BW, DQ, VL.
    Avx512,
}

impl Instructions {
    /// The widest set this machine runs.
    pub fn detect() -> Self {
        static FOUND: OnceLock<Instructions> = OnceLock::new();
        *FOUND.get_or_init(|| Self::available().last().copied().unwrap_or(Self::Baseline))
    }

    /// All sets this machine runs, narrowest first.
    pub fn available() -> Vec<Self> {
        let mut found = vec![Self::Baseline];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                found.push(Self::Avx2);
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("bmi2")
                {
                    found.push(Self::Avx512);
                }
            }
        }
        found
    }

    /// Name for reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

/// Defines a function once per instruction set and a front door that picks one.
///
/// The body must be `#[inline(always)]`, so that each copy is compiled with the features of its caller.
macro_rules! per_instruction_set {
    ($(#[$doc:meta])* $visibility:vis fn $name:ident $(<$(const $generic:ident: $kind:ty),+>)? ($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $body:ident) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        $visibility fn $name $(<$(const $generic: $kind),+>)? (set: $crate::instructions::Instructions, $($argument: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[allow(clippy::too_many_arguments)]
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2")]
                fn avx512 $(<$(const $generic: $kind),+>)? ($($argument: $type),*) $(-> $result)? {
                    $body $(::<$($generic),+>)? ($($argument),*)
                }
                #[allow(clippy::too_many_arguments)]
                #[target_feature(enable = "avx2")]
                fn avx2 $(<$(const $generic: $kind),+>)? ($($argument: $type),*) $(-> $result)? {
                    $body $(::<$($generic),+>)? ($($argument),*)
                }
                match set {
                    // SAFETY: a set other than the baseline is only ever made by `Instructions::available`, which has
                    // asked the processor for each of these features.
                    $crate::instructions::Instructions::Avx512 => return unsafe { avx512 $(::<$($generic),+>)? ($($argument),*) },
                    // SAFETY: as above.
                    $crate::instructions::Instructions::Avx2 => return unsafe { avx2 $(::<$($generic),+>)? ($($argument),*) },
                    $crate::instructions::Instructions::Baseline => {}
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = set;
            $body $(::<$($generic),+>)? ($($argument),*)
        }
    };
}
pub(crate) use per_instruction_set;
