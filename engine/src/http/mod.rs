//! What does the HTTP door answer? `/health` and `/metrics` (Prometheus text format 0.0.4).

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::engine::Engine;

/// Serves until the server goes down.
pub async fn serve(listener: TcpListener, engine: Arc<Engine>) {
    let shutdown = engine.shutdown.clone();
    let router = Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .with_state(engine);
    let served = axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the HTTP door closed");
    }
}

async fn health(State(engine): State<Arc<Engine>>) -> impl IntoResponse {
    if engine.shutdown.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n");
    }
    (StatusCode::OK, "ok\n")
}

async fn metrics(State(engine): State<Arc<Engine>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        text(&engine),
    )
}

fn text(engine: &Engine) -> String {
    let mut text = String::new();
    for (name, kind, help, value) in samples(engine) {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
        );
    }
    text
}

/// Name, kind, meaning and value.
type Sample = (&'static str, &'static str, &'static str, f64);

fn samples(engine: &Engine) -> [Sample; 10] {
    let counters = &engine.counters;
    let pool = &engine.base.runtime_env().memory_pool;
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed) as f64;
    [
        (
            "tarn_connections_total",
            "counter",
            "Connections accepted.",
            load(&counters.connections),
        ),
        (
            "tarn_sessions",
            "gauge",
            "Sessions open now.",
            engine.sessions.count() as f64,
        ),
        (
            "tarn_statements_total",
            "counter",
            "Statements run.",
            load(&counters.statements),
        ),
        (
            "tarn_statement_errors_total",
            "counter",
            "Statements that failed.",
            load(&counters.errors),
        ),
        (
            "tarn_internal_errors_total",
            "counter",
            "Failures that are defects of the server.",
            load(&counters.internal_errors),
        ),
        (
            "tarn_rows_sent_total",
            "counter",
            "Rows sent to clients.",
            load(&counters.rows),
        ),
        (
            "tarn_statement_seconds_total",
            "counter",
            "Time spent in statements.",
            load(&counters.statement_micros) / 1e6,
        ),
        (
            "tarn_trainings",
            "gauge",
            "CREATE MODEL statements running now.",
            engine.trainings.list().len() as f64,
        ),
        (
            "tarn_memory_reserved_bytes",
            "gauge",
            "Memory reserved from the budget.",
            pool.reserved() as f64,
        ),
        (
            "tarn_memory_limit_bytes",
            "gauge",
            "The memory budget.",
            engine.config.memory_limit_bytes as f64,
        ),
    ]
}
