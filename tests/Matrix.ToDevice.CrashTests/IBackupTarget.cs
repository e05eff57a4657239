namespace Matrix.ToDevice.Tests;

/// <summary>A server whose operator makes a copy of what it stores, and puts it back.</summary>
internal interface IBackupTarget : IAsyncDisposable
{
    Uri Address { get; }

    Task StartAsync();

    /// <summary>While the server runs.</summary>
    Task BackUpAsync();

    /// <summary>The server is stopped, the copy takes the place of what there is, and the server starts.</summary>
    Task RestoreAsync();
}
