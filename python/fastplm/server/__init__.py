"""An HTTP server with OpenAI's interface: completions, chats and embeddings of local models."""
