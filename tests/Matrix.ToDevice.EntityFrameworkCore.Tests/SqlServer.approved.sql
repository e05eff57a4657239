---- CommitAsync

-- @some1 VarBinary(16)
-- @some2 VarBinary(16)
SELECT [t].[device]
FROM [to_device_device] AS [t]
WHERE [t].[device] IN (@some1, @some2)

-- begin, ReadCommitted

-- @p0 VarBinary(16)
-- @p1 BigInt
-- @p2 BigInt
-- @p3 BigInt
-- @p4 BigInt
-- @p5 VarBinary(16)
-- @p6 BigInt
-- @p7 BigInt
-- @p8 BigInt
-- @p9 BigInt
SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
INSERT INTO [to_device_device] ([device], [last_sequence], [locked_by], [removal], [removed_at])
VALUES (@p0, @p1, @p2, @p3, @p4),
(@p5, @p6, @p7, @p8, @p9);

-- commit

-- begin, ReadCommitted

-- @p1 VarBinary(16)
-- @p0 BigInt
-- @p3 VarBinary(16)
-- @p2 BigInt
SET NOCOUNT ON;
UPDATE [to_device_device] SET [locked_by] = @p0
OUTPUT 1
WHERE [device] = @p1;
UPDATE [to_device_device] SET [locked_by] = @p2
OUTPUT 1
WHERE [device] = @p3;

-- @some1 VarBinary(16)
-- @some2 VarBinary(16)
SELECT [t].[device] AS [Key], [t].[last_sequence] AS [LastSequence], [t].[removal] AS [Removal]
FROM [to_device_device] AS [t]
WHERE [t].[device] IN (@some1, @some2)

-- @sender VarBinary(16)
-- @send_Key VarBinary(16)
SELECT TOP(2) [t].[commit_id]
FROM [to_device_transaction] AS [t]
WHERE [t].[device] = @sender AND [t].[fingerprint] = @send_Key

-- @some1 VarChar(600)
SELECT [t].[destination]
FROM [to_device_destination] AS [t]
WHERE [t].[destination] = @some1

-- @p0 VarChar(600)
-- @p1 Int
-- @p2 BigInt
-- @p3 VarBinary(16)
-- @p4 BigInt
-- @p5 BigInt
-- @p6 BigInt
-- @p7 BigInt
-- @p8 BigInt
SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
INSERT INTO [to_device_destination] ([destination], [failures], [free_since], [holder], [last_position], [locked_by], [sending_up_to], [taken_until], [turn])
VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8);

-- @some1 VarChar(600)
SELECT [t].[destination] AS [Destination], [t].[last_position] AS [LastPosition], [t].[taken_until] AS [TakenUntil], CASE
    WHEN EXISTS (
        SELECT 1
        FROM [to_device_edu] AS [t0]
        WHERE [t0].[destination] = [t].[destination]) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END AS [IsWaiting]
FROM [to_device_destination] AS [t]
WHERE [t].[destination] = @some1

SELECT TOP(1) GETUTCDATE()
FROM [to_device_counter] AS [t]
WHERE [t].[id] = 1

-- @p3 VarChar(600)
-- @p0 BigInt
-- @p1 BigInt
-- @p2 BigInt
-- @p5 VarBinary(16)
-- @p4 BigInt
-- @p6 VarChar(600)
-- @p7 BigInt
-- @p8 BigInt
-- @p9 VarBinary(8000)
-- @p10 VarBinary(8000)
-- @p11 VarBinary(16)
-- @p12 BigInt
-- @p13 BigInt
-- @p14 BigInt
-- @p15 VarBinary(8000)
-- @p16 VarBinary(8000)
-- @p17 BigInt
-- @p18 VarBinary(8000)
-- @p19 VarBinary(16)
-- @p20 VarBinary(16)
-- @p21 BigInt
-- @p22 Int
-- @p23 BigInt
SET NOCOUNT ON;
UPDATE [to_device_destination] SET [free_since] = @p0, [last_position] = @p1, [taken_until] = @p2
OUTPUT 1
WHERE [destination] = @p3;
UPDATE [to_device_device] SET [last_sequence] = @p4
OUTPUT 1
WHERE [device] = @p5;
INSERT INTO [to_device_edu] ([destination], [position], [committed_at], [content], [message_id])
VALUES (@p6, @p7, @p8, @p9, @p10);
INSERT INTO [to_device_message] ([device], [sequence], [bytes], [committed_at], [content], [event_type], [send_id], [sender])
VALUES (@p11, @p12, @p13, @p14, @p15, @p16, @p17, @p18);
INSERT INTO [to_device_transaction] ([device], [fingerprint], [commit_id], [kind], [last_used])
VALUES (@p19, @p20, @p21, @p22, @p23);

-- commit

---- IDeviceInbox.ReadAsync

-- @p Int
-- @key VarBinary(16)
-- @after_Sequence BigInt
SELECT TOP(@p) [t].[sequence] AS [Sequence], [t].[bytes] AS [Bytes]
FROM [to_device_message] AS [t]
WHERE [t].[device] = @key AND [t].[sequence] > @after_Sequence
ORDER BY [t].[sequence]

-- @p Int
-- @key VarBinary(16)
-- @after_Sequence BigInt
-- @last BigInt
SELECT TOP(@p) [t].[device], [t].[sequence], [t].[bytes], [t].[committed_at], [t].[content], [t].[event_type], [t].[send_id], [t].[sender]
FROM [to_device_message] AS [t]
WHERE [t].[device] = @key AND [t].[sequence] > @after_Sequence AND [t].[sequence] <= @last
ORDER BY [t].[sequence]

---- AcknowledgeAsync

-- @key VarBinary(16)
-- @upTo_Sequence BigInt
-- @upTo_SendId BigInt
SELECT CASE
    WHEN EXISTS (
        SELECT 1
        FROM [to_device_message] AS [t]
        WHERE [t].[device] = @key AND [t].[sequence] = @upTo_Sequence AND [t].[send_id] = @upTo_SendId) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END

-- begin, ReadCommitted

-- @p BigInt
-- @key VarBinary(16)
UPDATE [t]
SET [t].[locked_by] = @p
FROM [to_device_device] AS [t]
WHERE [t].[device] = @key

-- @key VarBinary(16)
-- @upTo_Sequence BigInt
-- @upTo_SendId BigInt
SELECT CASE
    WHEN EXISTS (
        SELECT 1
        FROM [to_device_message] AS [t]
        WHERE [t].[device] = @key AND [t].[sequence] = @upTo_Sequence AND [t].[send_id] = @upTo_SendId) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END

-- @p Int
-- @key VarBinary(16)
-- @upTo_Sequence BigInt
SELECT TOP(@p) [t].[device] AS [Device], [t].[sequence] AS [Sequence]
FROM [to_device_message] AS [t]
WHERE [t].[device] = @key AND [t].[sequence] <= @upTo_Sequence
ORDER BY [t].[sequence]

-- @p0 VarBinary(16)
-- @p1 BigInt
SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
DELETE FROM [to_device_message]
OUTPUT 1
WHERE [device] = @p0 AND [sequence] = @p1;

-- commit

---- RemoveDeviceAsync

-- @some1 VarBinary(16)
SELECT [t].[device]
FROM [to_device_device] AS [t]
WHERE [t].[device] = @some1

-- begin, ReadCommitted

-- @p0 VarBinary(16)
-- @p1 BigInt
-- @p2 BigInt
-- @p3 BigInt
-- @p4 BigInt
SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
INSERT INTO [to_device_device] ([device], [last_sequence], [locked_by], [removal], [removed_at])
VALUES (@p0, @p1, @p2, @p3, @p4);

-- commit

-- begin, ReadCommitted

-- @p BigInt
-- @key VarBinary(16)
UPDATE [t]
SET [t].[locked_by] = @p
FROM [to_device_device] AS [t]
WHERE [t].[device] = @key

-- @p Int
-- @key VarBinary(16)
SELECT TOP(@p) [t].[device] AS [Device], [t].[sequence] AS [Sequence]
FROM [to_device_message] AS [t]
WHERE [t].[device] = @key
ORDER BY [t].[sequence]

-- @p0 VarBinary(16)
-- @p1 BigInt
SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
DELETE FROM [to_device_message]
OUTPUT 1
WHERE [device] = @p0 AND [sequence] = @p1;

-- @p Int
-- @key VarBinary(16)
SELECT TOP(@p) [t].[device] AS [Device], [t].[fingerprint] AS [Key], [t].[last_used] AS [LastUsed]
FROM [to_device_transaction] AS [t]
WHERE [t].[device] = @key
ORDER BY [t].[fingerprint]

-- @p0 VarBinary(16)
-- @p1 VarBinary(16)
-- @p2 BigInt
SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
DELETE FROM [to_device_transaction]
OUTPUT 1
WHERE [device] = @p0 AND [fingerprint] = @p1 AND [last_used] = @p2;

-- @microseconds BigInt
UPDATE [t]
SET [t].[value] = CASE
    WHEN [t].[value] >= @microseconds THEN [t].[value] + CAST(1 AS bigint)
    ELSE @microseconds
END
FROM [to_device_counter] AS [t]
WHERE [t].[id] = 1

SELECT TOP(2) [t].[value]
FROM [to_device_counter] AS [t]
WHERE [t].[id] = 1

-- @p BigInt
-- @p2 BigInt
-- @p3 BigInt
-- @key VarBinary(16)
UPDATE [t]
SET [t].[last_sequence] = @p,
    [t].[removal] = @p2,
    [t].[removed_at] = @p3
FROM [to_device_device] AS [t]
WHERE [t].[device] = @key

-- commit

---- PurgeAsync

-- @p Int
-- @due BigInt
SELECT TOP(@p) [t].[device]
FROM [to_device_device] AS [t]
WHERE [t].[removed_at] > CAST(0 AS bigint) AND [t].[removed_at] < @due
ORDER BY [t].[removed_at]

-- begin, ReadCommitted

-- @p BigInt
-- @key VarBinary(16)
UPDATE [t]
SET [t].[locked_by] = @p
FROM [to_device_device] AS [t]
WHERE [t].[device] = @key

-- @key VarBinary(16)
-- @due BigInt
SELECT [t].[device] AS [Key]
FROM [to_device_device] AS [t]
WHERE [t].[device] = @key AND [t].[removed_at] > CAST(0 AS bigint) AND [t].[removed_at] < @due AND [t].[last_sequence] = CAST(0 AS bigint)

-- @p BigInt
-- @key VarBinary(16)
-- @due BigInt
UPDATE [t]
SET [t].[removal] = @p,
    [t].[removed_at] = @p
FROM [to_device_device] AS [t]
WHERE [t].[device] = @key AND [t].[removed_at] > CAST(0 AS bigint) AND [t].[removed_at] < @due

-- commit

-- begin, ReadCommitted

-- @p Int
-- @kind Int
-- @due BigInt
SELECT TOP(@p) [t].[device] AS [Device], [t].[fingerprint] AS [Key], [t].[last_used] AS [LastUsed]
FROM [to_device_transaction] AS [t]
WHERE [t].[kind] = @kind AND [t].[last_used] < @due
ORDER BY [t].[last_used]

-- @p0 VarBinary(16)
-- @p1 VarBinary(16)
-- @p2 BigInt
SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
DELETE FROM [to_device_transaction]
OUTPUT 1
WHERE [device] = @p0 AND [fingerprint] = @p1 AND [last_used] = @p2;

-- commit

---- IFederationOutbox.ReadAsync

-- @p Int
-- @stored VarChar(600)
-- @after BigInt
SELECT TOP(@p) [t].[destination], [t].[position], [t].[committed_at], [t].[content], [t].[message_id]
FROM [to_device_edu] AS [t]
WHERE [t].[destination] = @stored AND [t].[position] > @after
ORDER BY [t].[position]

---- RemoveAsync

-- begin, ReadCommitted

-- @p BigInt
-- @destination VarChar(600)
UPDATE [t]
SET [t].[locked_by] = @p
FROM [to_device_destination] AS [t]
WHERE [t].[destination] = @destination

-- @stored VarChar(600)
-- @positions1 BigInt
SELECT [t].[position] AS [Position], [t].[message_id] AS [MessageId]
FROM [to_device_edu] AS [t]
WHERE [t].[destination] = @stored AND [t].[position] = @positions1

-- @p0 VarChar(600)
-- @p1 BigInt
SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
DELETE FROM [to_device_edu]
OUTPUT 1
WHERE [destination] = @p0 AND [position] = @p1;

-- @destination VarChar(600)
SELECT CASE
    WHEN EXISTS (
        SELECT 1
        FROM [to_device_edu] AS [t]
        WHERE [t].[destination] = @destination) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END

-- @destination VarChar(600)
SELECT [t].[destination] AS [Destination]
FROM [to_device_destination] AS [t]
WHERE [t].[destination] = @destination AND [t].[holder] IS NULL

-- @p0 VarChar(600)
SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
DELETE FROM [to_device_destination]
OUTPUT 1
WHERE [destination] = @p0;

-- commit

---- ListDestinationsAsync

-- @p Int
-- @stored VarChar(600)
SELECT TOP(@p) [t].[destination]
FROM [to_device_destination] AS [t]
WHERE [t].[destination] > @stored AND EXISTS (
    SELECT 1
    FROM [to_device_edu] AS [t0]
    WHERE [t0].[destination] = [t].[destination])
ORDER BY [t].[destination]

---- AcquireAsync

SELECT TOP(1) GETUTCDATE()
FROM [to_device_counter] AS [t]
WHERE [t].[id] = 1

-- @p Int
-- @now BigInt
-- @far BigInt
SELECT TOP(@p) [t].[destination], [t].[failures], [t].[free_since], [t].[holder], [t].[last_position], [t].[locked_by], [t].[sending_up_to], [t].[taken_until], [t].[turn]
FROM [to_device_destination] AS [t]
WHERE ([t].[taken_until] <= @now OR [t].[taken_until] > @far) AND EXISTS (
    SELECT 1
    FROM [to_device_edu] AS [t0]
    WHERE [t0].[destination] = [t].[destination]) AND [t].[failures] = 0
ORDER BY CASE
    WHEN [t].[taken_until] > @far THEN @now
    ELSE [t].[taken_until]
END, [t].[free_since], [t].[destination]

-- @p Int
-- @now BigInt
-- @far BigInt
SELECT TOP(@p) [t].[destination], [t].[failures], [t].[free_since], [t].[holder], [t].[last_position], [t].[locked_by], [t].[sending_up_to], [t].[taken_until], [t].[turn]
FROM [to_device_destination] AS [t]
WHERE ([t].[taken_until] <= @now OR [t].[taken_until] > @far) AND EXISTS (
    SELECT 1
    FROM [to_device_edu] AS [t0]
    WHERE [t0].[destination] = [t].[destination]) AND [t].[failures] > 0
ORDER BY CASE
    WHEN [t].[taken_until] > @far THEN @now
    ELSE [t].[taken_until]
END, [t].[free_since], [t].[destination]

-- @p Int
-- @now BigInt
-- @far BigInt
SELECT TOP(@p) [t].[destination], [t].[failures], [t].[free_since], [t].[holder], [t].[last_position], [t].[locked_by], [t].[sending_up_to], [t].[taken_until], [t].[turn]
FROM [to_device_destination] AS [t]
WHERE ([t].[taken_until] <= @now OR [t].[taken_until] > @far) AND NOT EXISTS (
    SELECT 1
    FROM [to_device_edu] AS [t0]
    WHERE [t0].[destination] = [t].[destination])
ORDER BY [t].[destination]

-- begin, ReadCommitted

-- @p BigInt
-- @destination VarChar(600)
UPDATE [t]
SET [t].[locked_by] = @p
FROM [to_device_destination] AS [t]
WHERE [t].[destination] = @destination

-- @emptied_Destination VarChar(600)
-- @emptied_Turn BigInt
UPDATE [t]
SET [t].[holder] = NULL
FROM [to_device_destination] AS [t]
WHERE [t].[destination] = @emptied_Destination AND [t].[turn] = @emptied_Turn

-- @destination VarChar(600)
SELECT CASE
    WHEN EXISTS (
        SELECT 1
        FROM [to_device_edu] AS [t]
        WHERE [t].[destination] = @destination) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END

-- @destination VarChar(600)
SELECT [t].[destination] AS [Destination]
FROM [to_device_destination] AS [t]
WHERE [t].[destination] = @destination AND [t].[holder] IS NULL

-- @p0 VarChar(600)
SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
DELETE FROM [to_device_destination]
OUTPUT 1
WHERE [destination] = @p0;

-- commit

-- begin, ReadCommitted

-- @p VarBinary(16)
-- @p3 BigInt
-- @p4 BigInt
-- @row_Destination VarChar(600)
-- @row_Turn BigInt
UPDATE [t]
SET [t].[holder] = @p,
    [t].[taken_until] = @p3,
    [t].[free_since] = @p4,
    [t].[turn] = [t].[turn] + CAST(1 AS bigint)
FROM [to_device_destination] AS [t]
WHERE [t].[destination] = @row_Destination AND [t].[turn] = @row_Turn

-- @p VarBinary(16)
-- @p3 BigInt
-- @p4 BigInt
-- @row_Destination VarChar(600)
-- @row_Turn BigInt
UPDATE [t]
SET [t].[holder] = @p,
    [t].[taken_until] = @p3,
    [t].[free_since] = @p4,
    [t].[turn] = [t].[turn] + CAST(1 AS bigint)
FROM [to_device_destination] AS [t]
WHERE [t].[destination] = @row_Destination AND [t].[turn] = @row_Turn

-- commit

---- RenewAsync

-- begin, ReadCommitted

SELECT TOP(1) GETUTCDATE()
FROM [to_device_counter] AS [t]
WHERE [t].[id] = 1

-- @p BigInt
-- @p3 BigInt
-- @p4 BigInt
-- @stored VarChar(600)
-- @by VarBinary(16)
UPDATE [t]
SET [t].[taken_until] = @p,
    [t].[free_since] = @p3,
    [t].[sending_up_to] = @p4,
    [t].[turn] = [t].[turn] + CAST(1 AS bigint)
FROM [to_device_destination] AS [t]
WHERE [t].[destination] = @stored AND [t].[holder] = @by

-- commit

---- ReleaseAsync

-- begin, ReadCommitted

SELECT TOP(1) GETUTCDATE()
FROM [to_device_counter] AS [t]
WHERE [t].[id] = 1

-- @p3 Int
-- @p4 BigInt
-- @p5 BigInt
-- @stored VarChar(600)
-- @by VarBinary(16)
UPDATE [t]
SET [t].[holder] = NULL,
    [t].[failures] = @p3,
    [t].[taken_until] = @p4,
    [t].[free_since] = @p5,
    [t].[turn] = [t].[turn] + CAST(1 AS bigint)
FROM [to_device_destination] AS [t]
WHERE [t].[destination] = @stored AND [t].[holder] = @by

-- @destination VarChar(600)
SELECT CASE
    WHEN EXISTS (
        SELECT 1
        FROM [to_device_edu] AS [t]
        WHERE [t].[destination] = @destination) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END

-- @destination VarChar(600)
SELECT [t].[destination] AS [Destination]
FROM [to_device_destination] AS [t]
WHERE [t].[destination] = @destination AND [t].[holder] IS NULL

-- @p0 VarChar(600)
SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
DELETE FROM [to_device_destination]
OUTPUT 1
WHERE [destination] = @p0;

-- commit

---- IStoreUpkeep.MeasureAsync

SELECT [t].[last_sequence] AS [LastSequence], (
    SELECT MIN([t0].[sequence])
    FROM [to_device_message] AS [t0]
    WHERE [t0].[device] = [t].[device]) AS [First], (
    SELECT TOP(1) [t1].[committed_at]
    FROM [to_device_message] AS [t1]
    WHERE [t1].[device] = [t].[device]
    ORDER BY [t1].[sequence]) AS [CommittedAt]
FROM [to_device_device] AS [t]
WHERE [t].[last_sequence] > CAST(0 AS bigint)

SELECT (
    SELECT COUNT(*)
    FROM [to_device_edu] AS [t0]
    WHERE [t0].[destination] = [t].[destination]) AS [Edus], (
    SELECT TOP(1) [t1].[committed_at]
    FROM [to_device_edu] AS [t1]
    WHERE [t1].[destination] = [t].[destination]
    ORDER BY [t1].[position]) AS [CommittedAt]
FROM [to_device_destination] AS [t]
WHERE [t].[failures] = 0

SELECT (
    SELECT COUNT(*)
    FROM [to_device_edu] AS [t0]
    WHERE [t0].[destination] = [t].[destination]) AS [Edus], (
    SELECT TOP(1) [t1].[committed_at]
    FROM [to_device_edu] AS [t1]
    WHERE [t1].[destination] = [t].[destination]
    ORDER BY [t1].[position]) AS [CommittedAt]
FROM [to_device_destination] AS [t]
WHERE [t].[failures] > 0

---- IStoreUpkeep.MeasureAsync

-- @some1 VarBinary(16)
SELECT [t].[device] AS [Key], [t].[last_sequence] AS [LastSequence], (
    SELECT MIN([t0].[sequence])
    FROM [to_device_message] AS [t0]
    WHERE [t0].[device] = [t].[device]) AS [First]
FROM [to_device_device] AS [t]
WHERE [t].[device] = @some1

---- IsCommittedAsync

-- @sender VarBinary(16)
-- @fingerprint VarBinary(16)
SELECT CASE
    WHEN EXISTS (
        SELECT 1
        FROM [to_device_transaction] AS [t]
        WHERE [t].[device] = @sender AND [t].[fingerprint] = @fingerprint) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END

---- ExpireAsync

-- @p Int
-- @before BigInt
SELECT TOP(@p) [t].[device]
FROM [to_device_device] AS [t]
WHERE [t].[last_sequence] > CAST(0 AS bigint) AND (
    SELECT TOP(1) [t0].[committed_at]
    FROM [to_device_message] AS [t0]
    WHERE [t0].[device] = [t].[device]
    ORDER BY [t0].[sequence]) > CAST(0 AS bigint) AND (
    SELECT TOP(1) [t1].[committed_at]
    FROM [to_device_message] AS [t1]
    WHERE [t1].[device] = [t].[device]
    ORDER BY [t1].[sequence]) < @before
ORDER BY [t].[device]

-- begin, ReadCommitted

-- @p BigInt
-- @key VarBinary(16)
UPDATE [t]
SET [t].[locked_by] = @p
FROM [to_device_device] AS [t]
WHERE [t].[device] = @key

-- @p Int
-- @device VarBinary(16)
SELECT TOP(@p) [t].[sequence] AS [Sequence], [t].[committed_at] AS [CommittedAt]
FROM [to_device_message] AS [t]
WHERE [t].[device] = @device
ORDER BY [t].[sequence]

-- commit

---- TryTakeAsync

-- begin, ReadCommitted

SELECT TOP(1) GETUTCDATE()
FROM [to_device_counter] AS [t]
WHERE [t].[id] = 1

-- @p BigInt
-- @key VarBinary(16)
-- @before BigInt
-- @after BigInt
UPDATE [t]
SET [t].[taken_at] = @p
FROM [to_device_upkeep] AS [t]
WHERE [t].[task] = @key AND ([t].[taken_at] <= @before OR [t].[taken_at] > @after)

-- commit

