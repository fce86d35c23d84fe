//! The synchronous client.

use crate::{ANSWER_WITHIN, Wish, tell, tell_answer, tell_error, tell_push, text};
use rust_socketio::client::Client;
use rust_socketio::{ClientBuilder, Event};
use serde_json::{Value, json};
use std::collections::HashMap;

#[derive(Default)]
pub struct Clients(HashMap<String, Client>);

impl Clients {
    pub fn has(&self, client: &str) -> bool {
        self.0.contains_key(client)
    }

    pub fn connect(&mut self, wish: Wish) {
        let [on_connect, on_close, on_error, on_push] = std::array::from_fn(|_| wish.client.clone());
        let connected = ClientBuilder::new(wish.url)
            .auth(wish.auth)
            .transport_type(wish.transport)
            .reconnect_delay(wish.delay_ms, wish.delay_ms)
            .on(Event::Connect, move |_, _| tell(json!({"client": on_connect, "is": "connect", "recovered": false})))
            .on(Event::Close, move |_, _| tell(json!({"client": on_close, "is": "disconnect", "reason": null})))
            .on(Event::Error, move |payload, _| tell_error(&on_error, payload))
            .on_any(move |event, payload, _| tell_push(&on_push, event.to_string(), payload))
            .connect();
        match connected {
            Ok(socket) => drop(self.0.insert(wish.client, socket)),
            Err(error) => tell(json!({"client": wish.client, "is": "connect_error", "message": error.to_string()})),
        }
    }

    pub fn call(&self, client: &str, command: &Value) {
        let (caller, call) = (client.to_owned(), command["call"].clone());
        let arguments = command["args"].as_array().expect("args").clone();
        let answered = move |payload, _| tell_answer(&caller, &call, payload);
        let sent = self.0[client].emit_with_ack(text(&command["method"]), arguments, ANSWER_WITHIN, answered);
        if let Err(error) = sent {
            tell(json!({"client": client, "is": "error", "message": error.to_string()}));
        }
    }

    pub fn close(&mut self, client: &str) {
        if let Some(socket) = self.0.remove(client) {
            let _ = socket.disconnect(); // it may be closed already
        }
    }
}
