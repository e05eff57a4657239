using System.Security.Cryptography;
using System.Text;

namespace Matrix.ToDevice.Tests;

/// <summary>Users of any bucket, each with one device, who send each other messages.</summary>
internal static class DistributedUsers
{
    /// <summary>The first users whose buckets are such.</summary>
    public static List<string> Of(Predicate<int> buckets, int count) =>
        [.. Enumerable.Range(0, 10_000).Select(n => $"@user{n}:hs1").Where(user => buckets(BucketOf(user))).DistinctBy(BucketOf).Take(count)];

    public static int BucketOf(string owner) => SHA256.HashData(Encoding.UTF8.GetBytes(owner))[0];

    public static async Task<CommitResult> SendAsync(this Host host, string sender, string txnId, string content, IEnumerable<string> recipients)
    {
        await using var transaction = (await host.Transactions.BeginAsync(Key(sender, txnId), host.Transactions.KnownRemovals, default))!;
        var (bytes, sendId) = (Encoding.UTF8.GetBytes(content), Random.Shared.NextInt64());
        await host.Inbox.AppendAsync(
            transaction, [.. recipients.Distinct().Select(user => new ToDeviceMessage(Device(user), sender, "m.test", bytes, sendId))], default);
        return await transaction.CommitAsync(default);
    }

    public static async Task<List<string>> ReadOfAsync(this Host host, string user)
    {
        using var page = await host.Inbox.ReadAsync(Device(user), InboxPosition.Start, 1000, int.MaxValue, default);
        return [.. page.Messages.Select(message => Encoding.UTF8.GetString(message.Content.Span))];
    }

    public static TransactionKey Key(string sender, string txnId) => new(sender, "D", TransactionKey.SendToDevice, "m.test", txnId);

    public static DeviceAddress Device(string user) => new(user, "D");
}
