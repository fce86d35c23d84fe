//! Drives the Rust client for the tests. ../README.md has the line protocol. `variant` is "sync" or "async".

mod asynchronous;
mod synchronous;

use rust_socketio::{Payload, TransportType};
use serde_json::{Value, json};
use std::io::BufRead;
use std::time::Duration;

const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// The parameters of a `connect` command.
struct Wish {
    client: String,
    url: String,
    auth: Value,
    delay_ms: u64,
    transport: TransportType,
}

impl Wish {
    fn new(command: &Value) -> Self {
        let options = &command["options"];
        let transports = options["transports"].as_array().expect("transports");
        Self {
            client: text(&command["client"]),
            url: text(&command["url"]),
            auth: options["auth"].clone(),
            delay_ms: options["reconnectionDelay"].as_u64().unwrap_or(1_000),
            transport: match (transports.len(), transports[0].as_str()) {
                (2, _) => TransportType::Any,
                (_, Some("polling")) => TransportType::Polling,
                _ => TransportType::Websocket,
            },
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

fn tell(message: Value) {
    println!("{message}"); // one lock for each line
}

fn tell_push(client: &str, event: String, payload: Payload) {
    if let Payload::Text(arguments) = payload {
        tell(json!({"client": client, "is": "push", "event": event, "push": arguments[0]}));
    }
}

/// The client reports CONNECT_ERROR and transport errors by the same event.
fn tell_error(client: &str, payload: Payload) {
    if let Payload::Text(arguments) = payload {
        let message = arguments[0].as_str().unwrap_or_default();
        let refused = message.strip_prefix("Received an ConnectError frame: ");
        let is = if refused.is_some() { "connect_error" } else { "error" };
        let refusal: Value = refused.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        tell(json!({"client": client, "is": is, "message": message, "data": refusal["data"]}));
    }
}

fn tell_answer(client: &str, call: &Value, payload: Payload) {
    if let Payload::Text(arguments) = payload {
        // The client passes the acknowledgement's list of arguments as one argument.
        tell(json!({"client": client, "is": "answer", "call": call, "answer": arguments[0][0]}));
    }
}

fn main() {
    let mut synchronous = synchronous::Clients::default();
    let mut asynchronous = asynchronous::Clients::default();
    for line in std::io::stdin().lock().lines() {
        let command: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let client = text(&command["client"]);
        let is_new = command["do"] == "connect";
        let is_synchronous = if is_new { command["options"]["variant"] == "sync" } else { synchronous.has(&client) };
        match (text(&command["do"]).as_str(), is_synchronous) {
            ("connect", true) => synchronous.connect(Wish::new(&command)),
            ("connect", false) => asynchronous.connect(Wish::new(&command)),
            ("call", true) => synchronous.call(&client, &command),
            ("call", false) => asynchronous.call(&client, &command),
            ("close", true) => synchronous.close(&client),
            ("close", false) => asynchronous.close(&client),
            (other, _) => panic!("cannot {other}"),
        }
    }
    std::process::exit(0);
}
