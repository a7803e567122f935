// SPDX-License-Identifier: Apache-2.0
//! QEMU's machine protocol (QMP): the commands that are sent, and what its answers and events mean.

use serde_json::{Value, json};

use super::Event;

/// What a line of QEMU means.
#[derive(Debug)]
pub enum Said {
    /// The guest runs now.
    Running,
    /// An event.
    Event(Event),
    /// Nothing that anybody waits for.
    Nothing,
}

/// What is sent first: QEMU waits with the guest until then, so no event is missed.
pub fn begin() -> String {
    command("qmp_capabilities", None) + &command("cont", Some(RUNNING))
}

/// Presses the power button.
pub fn power_down() -> String {
    command("system_powerdown", None)
}

/// Ends QEMU, its images flushed.
pub fn quit() -> String {
    command("quit", None)
}

const RUNNING: &str = "running";

fn command(name: &str, id: Option<&str>) -> String {
    let command = match id {
        Some(id) => json!({ "execute": name, "id": id }),
        None => json!({ "execute": name }),
    };
    format!("{command}\n")
}

/// Reads a line.
pub fn read(line: &str) -> Said {
    let Ok(message) = serde_json::from_str::<Value>(line) else { return Said::Nothing };
    if message.get("id").and_then(Value::as_str) == Some(RUNNING) && message.get("return").is_some() {
        return Said::Running;
    }
    let data = |key: &str| message.get("data").and_then(|data| data.get(key));
    let text = |key: &str| data(key).and_then(Value::as_str).unwrap_or_default();
    let by_guest = data("guest").and_then(Value::as_bool).unwrap_or(false);
    match message.get("event").and_then(Value::as_str) {
        Some("GUEST_PANICKED") => Said::Event(Event::Panicked("its kernel told the pvpanic device".to_owned())),
        Some("SHUTDOWN") if by_guest && text("reason") != "guest-panic" => Said::Event(Event::Shutdown),
        Some("RESET") if by_guest => Said::Event(Event::Reset),
        Some("BLOCK_IO_ERROR") if text("action") == "stop" => {
            // In words for people; the protocol has no other place for the reason.
            let why = if data("nospace").and_then(Value::as_bool) == Some(true) {
                "no space is left on this machine for its disk"
            } else {
                text("reason")
            };
            Said::Event(Event::Stopped(why.to_owned()))
        }
        _ => Said::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(line: &str) -> String {
        match read(line) {
            Said::Event(event) => format!("{event:?}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn what_qemu_says_is_understood() {
        assert_eq!(event(r#"{"return": {}, "id": "running"}"#), "Running");
        assert_eq!(event(r#"{"return": {}}"#), "Nothing");
        assert_eq!(event(r#"{"QMP": {"version": {}}}"#), "Nothing");
        let shutdown =
            |reason: &str, guest| json!({"event": "SHUTDOWN", "data": {"guest": guest, "reason": reason}}).to_string();
        assert_eq!(event(&shutdown("guest-shutdown", true)), "Shutdown");
        assert_eq!(event(&shutdown("guest-panic", true)), "Nothing");
        assert_eq!(event(&shutdown("host-qmp-quit", false)), "Nothing");
        assert!(event(r#"{"event": "GUEST_PANICKED", "data": {"action": "pause"}}"#).starts_with("Panicked"));
        assert_eq!(event(r#"{"event": "RESET", "data": {"guest": true, "reason": "guest-reset"}}"#), "Reset");
        let full = r#"{"event": "BLOCK_IO_ERROR", "data": {"action": "stop", "nospace": true, "reason": "x"}}"#;
        assert!(event(full).contains("no space is left"));
        assert_eq!(event("{"), "Nothing");
    }

    #[test]
    fn commands_are_lines() {
        assert_eq!(begin().lines().count(), 2);
        assert_eq!(quit(), "{\"execute\":\"quit\"}\n");
    }
}
