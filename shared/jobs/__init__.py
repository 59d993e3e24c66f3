"""Keep the jobs in Redis: records, transitions as Lua scripts, the line, tickets, events, streamed sound."""
