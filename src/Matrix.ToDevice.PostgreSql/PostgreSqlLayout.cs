namespace Matrix.ToDevice;

/// <summary>How the tables of the PostgreSQL store are laid out. Each schema has one layout for good.</summary>
public enum PostgreSqlLayout
{
    /// <summary>For one machine, with standbys if need be. Every send is one atomic commit (D4).</summary>
    OneMachine,

    /// <summary>
    /// For many machines: distributed over the workers of a Citus cluster, whose coordinator the hosts connect to. A send is accepted in one
    /// commit and delivered to each recipient exactly once, when all machines are up before it is answered. docs/guarantees.md says what
    /// is different.
    /// </summary>
    Citus,

    /// <summary>
    /// As <see cref="Citus"/>, in a database without it: for trials, and for a server that begins on one machine and will be moved. It costs
    /// more than <see cref="OneMachine"/>, and promises what <see cref="Citus"/> does.
    /// </summary>
    CitusReady,
}
