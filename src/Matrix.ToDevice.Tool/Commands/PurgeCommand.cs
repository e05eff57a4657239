using System.CommandLine;

namespace Matrix.ToDevice.Tool;

internal static class PurgeCommand
{
    private const int EdusAtOnce = 100;

    private static Option<bool> Yes { get; } = new("--yes") { Description = "Do not ask." };

    private static Option<bool> DryRun { get; } = new("--dry-run") { Description = "Say what would go, and change nothing." };

    private static Option<bool> Remove { get; } = new("--remove")
    {
        Description = "Remove the device itself, as a logout does: its tokens are void and its transaction records go.",
    };

    public static ToolCommand Create()
    {
        var purge = new ToolCommand(
            "purge",
            "Deletes messages that wait, or what waits for a dead destination. PostgreSQL: while hosts run. SQLite: while the server is stopped.");
        purge.Subcommands.Add(Device());
        purge.Subcommands.Add(User());
        purge.Subcommands.Add(Destination());
        return purge;
    }

    private static ToolCommand Device()
    {
        var store = ToolCommand.Store();
        var user = new Argument<string>("user") { Description = "The user ID." };
        var device = new Argument<string>("device") { Description = "The device ID." };
        return new ToolCommand(
            "device", "Empties the inbox of a device. The device goes on: its tokens stay valid, and what comes later is delivered.",
            "purge device todevice.db @bob:example.org JLAFKJWSCS --dry-run", "purge device todevice.db @bob:example.org JLAFKJWSCS --remove --yes")
        {
            store, user, device, Remove, DryRun, Yes,
        }.Does(context => PurgeInboxesAsync(
            context, context.Value(store), _ => Task.FromResult<IReadOnlyList<DeviceAddress>>([new DeviceAddress(context.Value(user), context.Value(device))])));
    }

    private static ToolCommand User()
    {
        var store = ToolCommand.Store();
        var user = new Argument<string>("user") { Description = "The user ID." };
        return new ToolCommand(
            "user", "Empties the inboxes of all devices of a user.", "purge user todevice.db @bob:example.org --dry-run",
            "purge user todevice.db @bob:example.org --remove --yes")
        {
            store, user, Remove, DryRun, Yes,
        }.Does(context => PurgeInboxesAsync(context, context.Value(store), store => store.DevicesAsync(context.Value(user), context.CancellationToken)));
    }

    private static ToolCommand Destination()
    {
        var store = ToolCommand.Store();
        var destination = new Argument<string>("destination") { Description = "The server name, or whatever outbox shows." };
        return new ToolCommand(
            "destination", "Gives up what waits for another server.", "purge destination todevice.db gone.example.org --dry-run",
            "purge destination todevice.db gone.example.org --yes")
        {
            store, destination, DryRun, Yes,
        }.Does(context => PurgeDestinationAsync(context, context.Value(store), context.Value(destination)));
    }

    private static async Task<int> PurgeInboxesAsync(CommandContext context, string text, Func<IStore, Task<IReadOnlyList<DeviceAddress>>> devices)
    {
        var (address, dryRun, remove) = (context.Address(text), context.Value(DryRun), context.Value(Remove));
        var ends = new List<(DeviceAddress Device, InboxEnd End)>();
        await using (var store = await context.OpenAsync(address, alone: !dryRun))
        {
            foreach (var device in await devices(store)) ends.Add((device, await store.EndOfInboxAsync(device, context.CancellationToken)));
        }

        var inboxes = ends.ConvertAll(one => new PurgedInbox(one.Device.UserId, one.Device.DeviceId, one.End.Messages, one.End.Bytes));
        context.Printer.Table(
            ["user", "device", "#messages", "#bytes"],
            inboxes.Select(inbox => new[] { inbox.UserId, inbox.DeviceId, Printer.Number(inbox.Messages), Printer.Bytes(inbox.Bytes) }));
        if (!dryRun)
        {
            var sum = Printer.Number(inboxes.Sum(inbox => inbox.Messages));
            context.Confirm(remove ? $"Remove these devices, and delete {sum} messages?" : $"Delete {sum} messages?", context.Value(Yes));
            await using var services = await StoreServices.OpenAsync(address, migrate: false, context.CancellationToken);
            foreach (var (device, end) in ends)
            {
                // Up to the newest one that was counted: what came since stays.
                if (remove) await services.Inbox.RemoveDeviceAsync(device, context.CancellationToken);
                else if (end.Messages > 0) await services.Inbox.AcknowledgeAsync(device, end.Newest, context.CancellationToken);
            }
        }

        context.Printer.Json(new PurgeResult(dryRun, remove && !dryRun, inboxes, null, 0), ResultJson.Default.PurgeResult);
        context.Printer.Line(dryRun ? "Nothing was changed." : "Done.");
        return ExitCode.Fine;
    }

    private static async Task<int> PurgeDestinationAsync(CommandContext context, string text, string destination)
    {
        var (address, dryRun) = (context.Address(text), context.Value(DryRun));
        DestinationEnd end;
        await using (var store = await context.OpenAsync(address, alone: !dryRun)) end = await store.EndOfDestinationAsync(destination, context.CancellationToken);
        context.Printer.Table(["destination", "#EDUs", "#bytes"], [[destination, Printer.Number(end.Edus), Printer.Bytes(end.Bytes)]]);
        if (!dryRun && end.Edus > 0)
        {
            context.Confirm($"Give up {Printer.Number(end.Edus)} EDUs for {destination}?", context.Value(Yes));
            await using var services = await StoreServices.OpenAsync(address, migrate: false, context.CancellationToken);
            while (true)
            {
                var page = await services.Outbox.ReadAsync(destination, 0, EdusAtOnce, context.CancellationToken);
                var due = page.TakeWhile(edu => edu.Position <= end.Newest).ToList();
                if (due.Count == 0) break;
                await services.Outbox.RemoveAsync(destination, due, context.CancellationToken);
            }
        }

        context.Printer.Json(new PurgeResult(dryRun, false, [], destination, end.Edus), ResultJson.Default.PurgeResult);
        context.Printer.Line(dryRun ? "Nothing was changed." : "Done.");
        return ExitCode.Fine;
    }
}
