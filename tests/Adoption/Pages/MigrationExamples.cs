using System.Security.Cryptography;
using Matrix.ToDevice;

namespace Adoption;

/// <summary>What docs/migration.md shows: from a sendToDevice of one's own; <see cref="MigrationTests"/> runs it.</summary>
internal static class MigrationExamples
{
    // <move-messages>
    /// <summary>Moves what waits, the oldest first. Run again, it moves nothing twice: a row's number is its transaction ID.</summary>
    public static async Task MoveAsync(
        ITransactionStore transactions, IDeviceInbox inbox, IAsyncEnumerable<OldMessage> waiting, CancellationToken cancel)
    {
        await foreach (var row in waiting.WithCancellation(cancel))
        {
            var key = new TransactionKey(row.Sender, null, TransactionKey.SendToDevice, row.EventType, $"moved-{row.Number}");
            await using var transaction = await transactions.BeginAsync(key, transactions.KnownRemovals, cancel);
            if (transaction is null) continue;

            var sendId = BitConverter.ToInt64(RandomNumberGenerator.GetBytes(sizeof(long)));
            var recipient = new DeviceAddress(row.UserId, row.DeviceId);
            await inbox.AppendAsync(transaction, [new ToDeviceMessage(recipient, row.Sender, row.EventType, row.Content, sendId)], cancel);
            if (await transaction.CommitAsync(CancellationToken.None) == CommitResult.DeviceRemoved)
                throw new InvalidOperationException("A device was removed meanwhile. Read again what waits, and move it.");
        }
    }
    // </move-messages>

    // <move-records>
    /// <summary>What was sent before, and may be sent again because its answer was lost, is known: a send to nobody.</summary>
    public static async Task MoveAsync(ITransactionStore transactions, OldTransaction sent, CancellationToken cancel)
    {
        var key = new TransactionKey(sent.UserId, sent.DeviceId, TransactionKey.SendToDevice, sent.EventType, sent.TransactionId);
        await using var transaction = await transactions.BeginAsync(key, transactions.KnownRemovals, cancel);
        if (transaction is not null) await transaction.CommitAsync(CancellationToken.None);
    }
    // </move-records>

    internal sealed record OldMessage(long Number, string UserId, string DeviceId, string Sender, string EventType, byte[] Content);

    internal sealed record OldTransaction(string UserId, string DeviceId, string EventType, string TransactionId);
}
