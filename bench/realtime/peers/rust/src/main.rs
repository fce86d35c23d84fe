//! Socket.IO in Rust, with DAIRA's work for each connection and call: token, validation, token bucket and metrics.
//!
//! One thread. Environment: PORT, REDIS_URL, TOKEN_KEY. Pushes come over the Redis channel PUSHES, as MessagePack:
//! an array of the rooms and the push.

mod metrics;
mod token_bucket;

use std::env;
use std::error::Error;
use std::future::ready;
use std::sync::{Arc, LazyLock};
use std::time::{Instant, SystemTime};

use axum::serve::ListenerExt;
use futures_util::StreamExt;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use socketioxide::extract::{AckSender, Data, Extension, SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use socketioxide::{ParserConfig, SocketIo, TransportType};

use crate::metrics::MethodMetrics;
use crate::token_bucket::TokenBucket;

const PUSHES: &str = "rust-peer";
const MOST_PACKETS_WAITING: usize = 1_024; // of a socket; more are dropped

static TOKEN_KEY: LazyLock<DecodingKey> = LazyLock::new(|| {
    DecodingKey::from_secret(env::var("TOKEN_KEY").expect("TOKEN_KEY").as_bytes())
});
static VALIDATION: LazyLock<Validation> = LazyLock::new(|| Validation::new(Algorithm::HS256));
static PING: LazyLock<MethodMetrics> = LazyLock::new(|| MethodMetrics::new("system.ping"));
static JOIN: LazyLock<MethodMetrics> = LazyLock::new(|| MethodMetrics::new("join"));

#[derive(Deserialize)]
struct Auth {
    token: String,
}

#[derive(Clone, Deserialize)]
struct Claims {
    sub: String,
}

#[derive(Deserialize)]
struct NoArguments {}

#[derive(Deserialize)]
struct Join {
    room: String,
}

#[derive(Serialize)]
struct Pong {
    server_time: String,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer<T> {
    Ok { ok: bool, data: T },
    Refused { ok: bool, error: Refusal },
}

#[derive(Serialize)]
struct Refusal {
    code: &'static str,
}

#[derive(Deserialize, Serialize)]
struct Tick {
    id: String,
    sent_at: u64,
    text: String,
}

/// Refuses the connection, or notes the user for `connect`.
async fn check_token(socket: SocketRef, Data(auth): Data<Auth>) -> Result<(), &'static str> {
    let token = jsonwebtoken::decode::<Claims>(&auth.token, &TOKEN_KEY, &VALIDATION)
        .map_err(|_| "UNAUTHENTICATED")?;
    socket.extensions.insert(token.claims);
    Ok(())
}

async fn connect(socket: SocketRef, Extension(claims): Extension<Claims>) {
    socket.join(format!("user:{}", claims.sub));
    let bucket = Arc::new(TokenBucket::new());
    register(
        &socket,
        "system.ping",
        &PING,
        bucket.clone(),
        |_, NoArguments {}| Pong {
            server_time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        },
    );
    register(&socket, "join", &JOIN, bucket, |socket, Join { room }| {
        socket.join(room);
        Nothing {}
    });
}

/// Registers a method: limit, validation, answer, metrics.
fn register<A, T>(
    socket: &SocketRef,
    method: &'static str,
    metrics: &'static MethodMetrics,
    bucket: Arc<TokenBucket>,
    handler: fn(&SocketRef, A) -> T,
) where
    A: DeserializeOwned + Send + Sync + 'static,
    T: Serialize + 'static,
{
    socket.on(
        method,
        move |socket: SocketRef, TryData(argument): TryData<A>, answer: AckSender| {
            let began = Instant::now();
            let result = if !bucket.take() {
                Err("RESOURCE_EXHAUSTED")
            } else {
                argument
                    .map(|argument| handler(&socket, argument))
                    .map_err(|_| "INVALID_ARGUMENT")
            };
            metrics.note(result.as_ref().err().copied().unwrap_or("ok"), began);
            // A failure means that the client has gone.
            let _ = answer.send(&match result {
                Ok(data) => Answer::Ok { ok: true, data },
                Err(code) => Answer::Refused {
                    ok: false,
                    error: Refusal { code },
                },
            });
            ready(())
        },
    );
}

/// Passes pushes from Redis on to the sockets in their rooms. Returns when the connection to Redis ends.
async fn relay(io: SocketIo) -> Result<(), Box<dyn Error>> {
    let mut subscriber = redis::Client::open(env::var("REDIS_URL")?)?
        .get_async_pubsub()
        .await?;
    subscriber.subscribe(PUSHES).await?;
    let mut messages = subscriber.into_on_message();
    while let Some(message) = messages.next().await {
        let (rooms, tick): (Vec<String>, Tick) =
            rmp_serde::from_slice(message.get_payload_bytes())?;
        // A socket that reads too slowly loses the push.
        let _ = io.to(rooms).emit("bench.tick", &tick).await;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (layer, io) = SocketIo::builder()
        .with_parser(ParserConfig::msgpack())
        .transports([TransportType::Websocket])
        .max_buffer_size(MOST_PACKETS_WAITING)
        .build_layer();
    io.ns("/", connect.with(check_token));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", env::var("PORT")?.parse()?)).await?;
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("TCP_NODELAY"));
    tokio::select! {
        ended = relay(io) => ended,
        ended = axum::serve(listener, axum::Router::new().layer(layer)) => Ok(ended?),
    }
}
