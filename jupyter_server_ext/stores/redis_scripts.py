"""The scripts that Redis runs, each as one step that nothing comes between.

Redis runs a script from its first command to its last with no other client in between
(https://redis.io/docs/latest/develop/programmability/eval-intro/), so that whoever compares and
then sets has done both at once. Every script that changes shared state first compares the epoch:
whoever still believes in a history that is over changes nothing.

No key is without an end. What belongs to a place as a whole lives for a while after its servers
have last said that it should; what is an item's own has the end of the item.
"""

from __future__ import annotations

from typing import Final

_LAST: Final = """
-- A key lives for so many milliseconds, if it would not for longer. One that is told so at each
-- change is touched once in a hundredth of that time.
local function last(key, life)
    if redis.call('PTTL', key) < tonumber(life) * 0.99 then
        redis.call('PEXPIRE', key, life)
    end
end
"""

ATTACH: Final = f"""
-- KEYS: meta, changes. ARGV: id of this run of Redis, a fresh epoch, a fresh name of a history,
-- milliseconds that the place lives for.
-- Returns the epoch, the position of the stream, and the history.
-- A Redis that was started again may have lost its last changes: its old numbers must not be
-- counted on, so the first server to come makes a new epoch. The history is as old as the data.
-- Where nobody knows how far the stream was, it begins anew: its numbers only ever grow.
{_LAST}
local known = redis.call('HMGET', KEYS[1], 'run', 'epoch')
if redis.call('HEXISTS', KEYS[1], 'position') == 0 then
    redis.call('DEL', KEYS[2])
end
if not known[2] or known[1] ~= ARGV[1] then
    redis.call('HSET', KEYS[1], 'run', ARGV[1], 'epoch', ARGV[2])
    redis.call('HINCRBY', KEYS[1], 'position', 0)
    redis.call('HSETNX', KEYS[1], 'history', ARGV[3])
end
last(KEYS[1], ARGV[4])
return redis.call('HMGET', KEYS[1], 'epoch', 'position', 'history')
"""

_EPOCH: Final = """
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
    return {'epoch'}
end
"""

_TELL: Final = f"""
{_LAST}
local function tell(...)
    local position = redis.call('HINCRBY', KEYS[1], 'position', 1)
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], position .. '-0', ...)
    last(KEYS[1], ARGV[2])
    last(KEYS[2], ARGV[2])
end
"""

APPEND: Final = f"""
-- The next state of a job, if it follows the one that its author knows.
-- KEYS: meta, changes, jobs, the job. ARGV: epoch, life, length of the stream, task id,
-- known sequence number, author, fencing token, state, seconds for which a removed job is known.
-- Which number a removed job had is forgotten after that, but not the highest one: a job that comes
-- again goes on from there, since within an epoch no number may mean two states.
-- Token: '' for whoever only asks something of the owner, '0' for whoever takes the job over,
-- else what the owner was given when it did.
{_EPOCH}
{_TELL}
local known = redis.call('HMGET', KEYS[4], 'seq', 'owner', 'token', 'state')
local seq, owner, token = tonumber(known[1] or '0'), known[2] or '', known[3] or '0'
local held = ARGV[7] ~= '' and ARGV[7] ~= '0'
if held and (owner ~= ARGV[6] or token ~= ARGV[7]) then
    return {{'fenced', seq, owner, token, known[4] or ''}}
end
if tostring(seq) ~= ARGV[5] then
    return {{'conflict', seq, owner, token, known[4] or ''}}
end
if not known[1] then
    seq = tonumber(redis.call('HGET', KEYS[1], 'floor') or '0')
end
seq = seq + 1
if ARGV[7] == '0' then
    owner = ARGV[6]
    token = tostring(redis.call('HINCRBY', KEYS[1], 'fence', 1))
end
if ARGV[8] == '' then
    owner, token = '', '0'
    redis.call('HDEL', KEYS[4], 'state', 'owner', 'token')
    redis.call('HSET', KEYS[4], 'seq', seq)
    redis.call('EXPIRE', KEYS[4], ARGV[9])
    redis.call('SREM', KEYS[3], ARGV[4])
    if seq > tonumber(redis.call('HGET', KEYS[1], 'floor') or '0') then
        redis.call('HSET', KEYS[1], 'floor', seq)
    end
else
    redis.call('HSET', KEYS[4], 'seq', seq, 'owner', owner, 'token', token, 'state', ARGV[8])
    redis.call('SADD', KEYS[3], ARGV[4])
    last(KEYS[4], ARGV[2])
    last(KEYS[3], ARGV[2])
end
tell('kind', 'jobs', 'key', ARGV[4], 'state', ARGV[8], 'author', ARGV[6],
    'seq', seq, 'owner', owner, 'token', token)
return {{'done', seq, owner, token, ''}}
"""

PUT: Final = f"""
-- Something of which the newest counts, and nobody waits for another.
-- KEYS: meta, changes, index, its hash. ARGV: epoch, life, length of the stream, kind, key, author,
-- state or '', milliseconds to live, then names and values of fields that others read.
{_EPOCH}
{_TELL}
if ARGV[7] == '' then
    -- A server that was away must not bring it back.
    redis.call('DEL', KEYS[4])
    redis.call('HSET', KEYS[4], 'removed', 1)
    redis.call('PEXPIRE', KEYS[4], 86400000)
    redis.call('SREM', KEYS[3], ARGV[5])
else
    redis.call('HDEL', KEYS[4], 'removed')
    redis.call('HSET', KEYS[4], 'key', ARGV[5], 'state', ARGV[7], unpack(ARGV, 9))
    redis.call('SADD', KEYS[3], ARGV[5])
    redis.call('PEXPIRE', KEYS[4], ARGV[8])
    last(KEYS[3], ARGV[2])
    last(KEYS[3], ARGV[8])
end
tell('kind', ARGV[4], 'key', ARGV[5], 'state', ARGV[7], 'author', ARGV[6])
return {{'done'}}
"""

SEND: Final = f"""
-- A word to all servers, which nobody keeps. KEYS: meta, changes.
-- ARGV: epoch, life, length of the stream, kind, key, author.
{_EPOCH}
{_TELL}
tell('kind', ARGV[4], 'key', ARGV[5], 'state', '', 'author', ARGV[6])
return {{'done'}}
"""

END: Final = f"""
-- This history is over: whoever comes next begins another one. KEYS: meta. ARGV: epoch, life.
{_EPOCH}
redis.call('HDEL', KEYS[1], 'epoch')
return {{'done'}}
"""

BEAT: Final = f"""
-- A server lives. KEYS: meta, its lease, then leases of others. ARGV: epoch, life, milliseconds.
-- Returns which of the others live.
{_EPOCH}
redis.call('SET', KEYS[2], 1, 'PX', ARGV[3])
local reply = {{'done'}}
for index = 3, #KEYS do
    reply[index - 1] = redis.call('EXISTS', KEYS[index])
end
return reply
"""

KEEP: Final = f"""
-- The place has servers: what belongs to it goes on living. KEYS: meta, others.
-- ARGV: epoch, milliseconds.
{_LAST}
{_EPOCH}
for _, key in ipairs(KEYS) do
    last(key, ARGV[2])
end
return {{'done'}}
"""

OFFER: Final = f"""
-- Something that whoever comes first chooses for all. KEYS: meta, the hash.
-- ARGV: epoch, milliseconds, name, what this one would choose. Returns what is chosen.
{_LAST}
{_EPOCH}
redis.call('HSETNX', KEYS[2], ARGV[3], ARGV[4])
last(KEYS[2], ARGV[2])
return {{'done', redis.call('HGET', KEYS[2], ARGV[3])}}
"""

ACQUIRE: Final = """
-- KEYS: the lease, the counter of tokens. ARGV: holder, milliseconds. Returns a token or 0.
if redis.call('EXISTS', KEYS[1]) == 1 then
    return 0
end
local token = redis.call('INCR', KEYS[2])
redis.call('EXPIRE', KEYS[2], 2592000)
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'token', token)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return token
"""

RENEW: Final = """
-- KEYS: the lease. ARGV: token, milliseconds; 0 of them ends it. Returns whether it was held.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
    return 0
end
if ARGV[2] == '0' then
    redis.call('DEL', KEYS[1])
else
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
"""

CLAIM: Final = """
-- KEYS: the key. ARGV: digest of the request, result, milliseconds.
-- Returns nothing where it was free, else what it was claimed with.
if redis.call('EXISTS', KEYS[1]) == 1 then
    return redis.call('HMGET', KEYS[1], 'request', 'result', 'settled')
end
redis.call('HSET', KEYS[1], 'request', ARGV[1], 'result', ARGV[2], 'settled', '0')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {}
"""

CORRECT: Final = """
-- KEYS: the key, just claimed. ARGV: digest of the request, result and state of an earlier claim.
-- One that has ended since stays so.
if redis.call('EXISTS', KEYS[1]) == 1 then
    redis.call('HSET', KEYS[1], 'request', ARGV[1], 'result', ARGV[2], 'settled', ARGV[3])
end
return 1
"""

SETTLE: Final = """
if redis.call('EXISTS', KEYS[1]) == 1 then
    redis.call('HSET', KEYS[1], 'settled', '1')
end
return 1
"""

FORGET: Final = """
return redis.call('DEL', KEYS[1])
"""
