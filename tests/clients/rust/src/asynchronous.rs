//! The asynchronous client.

use crate::{ANSWER_WITHIN, Wish, tell, tell_answer, tell_error, tell_push, text};
use futures_util::FutureExt;
use rust_socketio::Event;
use rust_socketio::asynchronous::{Client, ClientBuilder};
use serde_json::{Value, json};
use std::collections::HashMap;
use tokio::runtime::Runtime;

pub struct Clients {
    runtime: Runtime,
    sockets: HashMap<String, Client>,
}

impl Default for Clients {
    fn default() -> Self {
        Self { runtime: Runtime::new().expect("a runtime"), sockets: HashMap::new() }
    }
}

impl Clients {
    pub fn connect(&mut self, wish: Wish) {
        let [on_connect, on_close, on_error, on_push] = std::array::from_fn(|_| wish.client.clone());
        let connecting = ClientBuilder::new(wish.url)
            .auth(wish.auth)
            .transport_type(wish.transport)
            .reconnect_delay(wish.delay_ms, wish.delay_ms)
            .on(Event::Connect, move |_, _| {
                tell(json!({"client": on_connect, "is": "connect", "recovered": false}));
                async {}.boxed()
            })
            .on(Event::Close, move |_, _| {
                tell(json!({"client": on_close, "is": "disconnect", "reason": null}));
                async {}.boxed()
            })
            .on(Event::Error, move |payload, _| {
                tell_error(&on_error, payload);
                async {}.boxed()
            })
            .on_any(move |event, payload, _| {
                tell_push(&on_push, event.to_string(), payload);
                async {}.boxed()
            })
            .connect();
        match self.runtime.block_on(connecting) {
            Ok(socket) => drop(self.sockets.insert(wish.client, socket)),
            Err(error) => tell(json!({"client": wish.client, "is": "connect_error", "message": error.to_string()})),
        }
    }

    pub fn call(&self, client: &str, command: &Value) {
        let (caller, call) = (client.to_owned(), command["call"].clone());
        let arguments = command["args"].as_array().expect("args").clone();
        let answered = move |payload, _| {
            tell_answer(&caller, &call, payload);
            async {}.boxed()
        };
        let sending = self.sockets[client].emit_with_ack(text(&command["method"]), arguments, ANSWER_WITHIN, answered);
        if let Err(error) = self.runtime.block_on(sending) {
            tell(json!({"client": client, "is": "error", "message": error.to_string()}));
        }
    }

    pub fn close(&mut self, client: &str) {
        if let Some(socket) = self.sockets.remove(client) {
            self.runtime.spawn(async move { socket.disconnect().await }); // it may be closed already
        }
    }
}
