//! Tests that every driver passes.
