//! Fresh isolated databases and minted tokens for tests.
