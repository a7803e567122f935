// SPDX-License-Identifier: Apache-2.0
//! The seed that makes a guest's agent run the job: NoCloud, whose user-data is the wrapper.

use std::path::Path;

use crate::error::Result;
use crate::host::medium::{self, Disk, Form, Tree};
use crate::random;

/// What runs in the guest.
const WRAPPER: &str = include_str!("guest.sh");

/// Writes it. The instance is a new one, whatever the base image was before.
pub fn write(name: &str, path: &Path) -> Result<()> {
    let mut tree = Tree::new();
    let id: String = random::bytes::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    tree.add("meta-data", format!("instance-id: job-{id}\nlocal-hostname: {}\n", host_name(name)))?;
    tree.add("user-data", WRAPPER)?;
    medium::write(&tree, "cidata", Form::Iso, Disk::Raw, path)
}

/// The job's name as far as a host can have it.
fn host_name(name: &str) -> String {
    let letters = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let host: String = name.chars().map(letters).take(63).collect();
    match host.trim_matches('-') {
        "" => "job".to_owned(),
        host => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_s_name_becomes_a_host_s() {
        assert_eq!(host_name("Image_2.1"), "image-2-1");
        assert_eq!(host_name("__"), "job");
        assert_eq!(host_name(&"x".repeat(200)).len(), 63);
    }
}
