using Matrix.ToDevice;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace Microsoft.EntityFrameworkCore;

/// <summary>Puts the tables of the send-to-device module into a homeserver's model.</summary>
public static class ToDeviceModelBuilderExtensions
{
    /// <summary>
    /// Adds the tables <c>to_device_…</c>, for <c>UseEntityFrameworkCore&lt;TContext&gt;()</c>. Call it in <c>OnModelCreating</c>; the
    /// homeserver's next migration makes them. They have no relations to other tables.
    /// </summary>
    /// <param name="modelBuilder">The homeserver's model.</param>
    /// <param name="schema">The database schema of the tables; null for the model's default.</param>
    public static ModelBuilder AddToDevice(this ModelBuilder modelBuilder, string? schema = null)
    {
        ArgumentNullException.ThrowIfNull(modelBuilder);

        // Everything is named here, so that no convention of the host names it otherwise; and no number is the database's.
        modelBuilder.Entity<DeviceRow>(row =>
        {
            AsTheyCome(row);
            row.ToTable("to_device_device", schema).HasKey(device => device.Key);
            Key(row.Property(device => device.Key), "device");
            row.Property(device => device.LastSequence).HasColumnName("last_sequence");
            row.Property(device => device.Removal).HasColumnName("removal");
            row.Property(device => device.RemovedAt).HasColumnName("removed_at");
            row.Property(device => device.LockedBy).HasColumnName("locked_by");
            row.HasIndex(device => device.RemovedAt).HasDatabaseName("to_device_device_by_removal");
        });
        modelBuilder.Entity<MessageRow>(row =>
        {
            AsTheyCome(row);
            row.ToTable("to_device_message", schema).HasKey(message => new { message.Device, message.Sequence });
            Key(row.Property(message => message.Device), "device");
            row.Property(message => message.Sequence).HasColumnName("sequence").ValueGeneratedNever();
            row.Property(message => message.SendId).HasColumnName("send_id");
            row.Property(message => message.Bytes).HasColumnName("bytes");
            row.Property(message => message.Sender).HasColumnName("sender").IsRequired();
            row.Property(message => message.EventType).HasColumnName("event_type").IsRequired();
            row.Property(message => message.Content).HasColumnName("content").IsRequired();
            row.Property(message => message.CommittedAt).HasColumnName("committed_at");
        });
        modelBuilder.Entity<TransactionRow>(row =>
        {
            AsTheyCome(row);
            row.ToTable("to_device_transaction", schema).HasKey(record => new { record.Device, record.Key });
            Key(row.Property(record => record.Device), "device");
            Key(row.Property(record => record.Key), "fingerprint");
            row.Property(record => record.CommitId).HasColumnName("commit_id");
            row.Property(record => record.Kind).HasColumnName("kind");
            // A record that is used while it is about to be forgotten stays.
            row.Property(record => record.LastUsed).HasColumnName("last_used").IsConcurrencyToken();
            row.HasIndex(record => new { record.Kind, record.LastUsed }).HasDatabaseName("to_device_transaction_by_age");
        });
        modelBuilder.Entity<DestinationRow>(row =>
        {
            AsTheyCome(row);
            row.ToTable("to_device_destination", schema).HasKey(destination => destination.Destination);
            Destination(row.Property(destination => destination.Destination));
            row.Property(destination => destination.LastPosition).HasColumnName("last_position");
            row.Property(destination => destination.Holder).HasColumnName("holder").HasMaxLength(StoredKey.Bytes).IsFixedLength();
            row.Property(destination => destination.TakenUntil).HasColumnName("taken_until");
            row.Property(destination => destination.FreeSince).HasColumnName("free_since");
            row.Property(destination => destination.Turn).HasColumnName("turn");
            row.Property(destination => destination.SendingUpTo).HasColumnName("sending_up_to");
            row.Property(destination => destination.Failures).HasColumnName("failures");
            row.Property(destination => destination.LockedBy).HasColumnName("locked_by");
            row.HasIndex(destination => new { destination.Failures, destination.TakenUntil }).HasDatabaseName("to_device_destination_by_time");
        });
        modelBuilder.Entity<EduRow>(row =>
        {
            AsTheyCome(row);
            row.ToTable("to_device_edu", schema).HasKey(edu => new { edu.Destination, edu.Position });
            Destination(row.Property(edu => edu.Destination));
            row.Property(edu => edu.Position).HasColumnName("position").ValueGeneratedNever();
            row.Property(edu => edu.MessageId).HasColumnName("message_id").IsRequired();
            row.Property(edu => edu.Content).HasColumnName("content").IsRequired();
            row.Property(edu => edu.CommittedAt).HasColumnName("committed_at");
        });
        modelBuilder.Entity<CounterRow>(row =>
        {
            AsTheyCome(row);
            row.ToTable("to_device_counter", schema).HasKey(counter => counter.Id);
            row.Property(counter => counter.Id).HasColumnName("id").ValueGeneratedNever();
            row.Property(counter => counter.Value).HasColumnName("value");
        });
        modelBuilder.Entity<UpkeepRow>(row =>
        {
            AsTheyCome(row);
            row.ToTable("to_device_upkeep", schema).HasKey(task => task.Task);
            Key(row.Property(task => task.Task), "task");
            row.Property(task => task.TakenAt).HasColumnName("taken_at");
        });
        return modelBuilder;
    }

    /// <summary>
    /// Values are stored as they are, whatever a host's conventions make of its own: a content that is cut off is lost, numbers as
    /// text have another order, and names in other letters are not found again.
    /// </summary>
    private static void AsTheyCome<TRow>(EntityTypeBuilder<TRow> row)
        where TRow : class
    {
        foreach (var property in row.Metadata.GetProperties())
        {
            property.SetValueConverter((ValueConverter?)null);
            property.SetProviderClrType(null);
            property.SetColumnType(null);
            property.SetMaxLength(null);
            property.SetIsFixedLength(null);
        }
    }

    private static void Key(PropertyBuilder<byte[]> property, string name) =>
        property.HasColumnName(name).HasMaxLength(StoredKey.Bytes).IsFixedLength().IsRequired().ValueGeneratedNever();

    private static void Destination(PropertyBuilder<string> property) =>
        property.HasColumnName("destination").HasMaxLength(2 * StoredText.MaxDestinationBytes).IsUnicode(false).IsRequired().ValueGeneratedNever();
}
