using System.CommandLine;
using Microsoft.Data.Sqlite;

namespace Matrix.ToDevice.Tool;

/// <summary>What a command was asked for, and where it says what it has to say.</summary>
internal sealed class CommandContext(ParseResult parsed, Printer printer, CancellationToken cancellationToken)
{
    private readonly List<StoreAddress> _addresses = [];

    public Printer Printer => printer;

    public CancellationToken CancellationToken => cancellationToken;

    public T Value<T>(Argument<T> argument) => parsed.GetRequiredValue(argument);

    public T? Value<T>(Option<T> option) => parsed.GetValue(option);

    public StoreAddress Address(string text)
    {
        var address = StoreAddress.Parse(text);
        _addresses.Add(address);
        return address;
    }

    /// <summary>Opens the store for reading.</summary>
    /// <param name="address">Which one.</param>
    /// <param name="alone">Whether a server that has a SQLite file is a reason to refuse.</param>
    public async Task<IStore> OpenAsync(StoreAddress address, bool alone = false) => address is SqliteAddress sqlite
        ? SqliteToolStore.Open(sqlite.Path, alone)
        : await PostgreSqlToolStore.OpenAsync((PostgreSqlAddress)address, cancellationToken);

    /// <summary>Asks whoever sits before the terminal.</summary>
    /// <exception cref="ToolException">Nobody does, or the answer is no.</exception>
    public void Confirm(string question, bool yes)
    {
        if (yes) return;
        if (printer.IsJson || Console.IsInputRedirected) throw ToolException.Refused("Nothing was changed: say --yes to do it without being asked.");
        Console.Error.Write($"{Visible.Of(question)} [y/N] ");
        if (Console.ReadLine()?.Trim() is not ("y" or "Y" or "yes")) throw ToolException.Refused("Nothing was changed.");
    }

    /// <summary>What an exception means, and how the command ends.</summary>
    public (string Message, int Code) Explain(Exception exception)
    {
        if (exception is OperationCanceledException) return ("Interrupted.", ExitCode.Interrupted);
        var address = _addresses.Find(address => address is SqliteAddress == exception is SqliteException) ?? _addresses.FirstOrDefault();
        if (StoreErrors.Explain(exception, address?.Name ?? "The store") is { } known) return (known.Message, known.ExitCode);
        return exception is IOException or UnauthorizedAccessException
            ? (exception.Message, ExitCode.Unusable)
            : ($"This is a fault of the tool: {exception.GetType().Name}: {exception.Message}", ExitCode.Fault);
    }
}
