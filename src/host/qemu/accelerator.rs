// SPDX-License-Identifier: Apache-2.0
//! What runs the guest's instructions: the hardware where it does so, emulation elsewhere.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use clap::ValueEnum;

use super::probe;
use crate::error::Result;
use crate::host::scratch::Scratch;
use crate::host::tell::Teller;

/// What runs the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// The hardware; only after a probe guest has really run under it.
    Kvm,
    /// Emulation: ten to twenty times slower.
    Tcg,
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg => "tcg",
        })
    }
}

/// What shall run them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Preference {
    /// KVM where it runs guests, emulation elsewhere
    #[default]
    Auto,
    /// KVM or nothing
    Kvm,
    /// Emulation: ten to twenty times slower, and the same on every machine
    Tcg,
}

/// What the probe of this run has found: why KVM can't be used, or nothing where it can. Said once.
static PROBED: Mutex<Option<Option<String>>> = Mutex::new(None);

/// Decides.
///
/// # Errors
/// Fatal: KVM is asked for and does not run guests here.
pub fn choose(preference: Preference, program: &Path, scratch: &Scratch, teller: &Teller) -> Result<Accelerator> {
    if preference == Preference::Tcg {
        return Ok(Accelerator::Tcg);
    }
    // Guests that are started at the same time wait for one probe.
    let mut probed = PROBED.lock().unwrap_or_else(PoisonError::into_inner);
    let first = probed.is_none();
    let reason = match &*probed {
        Some(reason) => reason.clone(),
        None => {
            let outcome = probe::kvm(program, scratch);
            crate::host::interrupt::check()?;
            let reason = outcome.err().map(|error| error.without_advice());
            *probed = Some(reason.clone());
            reason
        }
    };
    match reason {
        None => Ok(Accelerator::Kvm),
        Some(reason) if preference == Preference::Kvm => {
            Err(crate::error::Error::fatal(format!("KVM does not run guests here: {reason}"))
                .help("--accelerator tcg emulates the processor, about ten times slower"))
        }
        Some(reason) => {
            if first {
                let text = format!("KVM does not run guests here ({reason}): emulation, about ten times slower");
                teller.event("accelerator", &text);
            }
            Ok(Accelerator::Tcg)
        }
    }
}
